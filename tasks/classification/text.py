"""The text of a video's metadata as classification reads it: folded, hashtags split, emoji named, URLs gone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from tasks.records import Metadata

#: A description says what the video is at its start; links, credits and other people's videos follow.
DESCRIPTION_CHARS = 2000
#: Bound for the short fields, which hostile metadata could make as long as it likes.
FIELD_CHARS = 5000

#: Addresses of e-mail are bounded and without ambiguity: ten thousand @ take no longer than ten thousand letters.
_LINK = re.compile(r"(?:https?://|www\.)\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.IGNORECASE)
_HASHTAG = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|_+")
_LATIN_ACCENTS = re.compile("[\u0300-\u036f]")
#: Everything in ASCII but letters and digits is a space between words.
_ASCII_MARKS = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
#: Letters and digits of any script, with the vowel signs and marks of the scripts that need them (which `\w` leaves out).
_WORD = re.compile(
    "(?:[^\\W_]|[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0971-\u0dff\u1000-\u109f\u1780-\u17d3])+"
)
#: Scripts written without spaces: every character is a token, and words are found as phrases of tokens.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff]")
_EMOJI = re.compile("[\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_EMOTICONS = range(0x1F600, 0x1F650)  # smileys go with every kind of video
_EMPTY_NAMES = frozenset(
    [
        "face",
        "sign",
        "symbol",
        "button",
        "with",
        "of",
        "heavy",
        "black",
        "white",
        "medium",
        "regional",
        "indicator",
        "letter",
        "mark",
    ]
)


@dataclass(frozen=True)
class VideoText:
    """Normalised text of one video, a string of tokens separated by single spaces per field; "" where there is none."""

    title: str
    tags: str
    categories: str
    uploader: str
    description: str

    @property
    def short(self) -> str:
        """Everything but the description: what people chose to name the video with."""
        return " ".join(filter(None, (self.title, self.tags, self.categories, self.uploader)))

    @property
    def all(self) -> str:
        return " ".join(filter(None, (self.short, self.description)))


def text_of(metadata: Metadata) -> VideoText:
    """The normalised text of a video's metadata."""
    return VideoText(
        title=normalise(metadata.title),
        # tags are hashtags, with or without the sign: mealPrep is split like #mealPrep
        tags=normalise(" ".join(f"#{tag.lstrip('#')}" for tag in metadata.tags)),
        categories=normalise(" ".join(metadata.categories)),
        uploader=normalise(metadata.uploader or ""),
        description=normalise(metadata.description[:DESCRIPTION_CHARS], DESCRIPTION_CHARS),
    )


def normalise(text: str, limit: int = FIELD_CHARS) -> str:
    """Tokens of `text` (its first `limit` characters), lower case, separated by single spaces.

    Compatibility forms are folded (NFKC), accents of Latin, Greek and Cyrillic letters dropped, links and e-mail
    addresses removed, emoji replaced by their Unicode names, and hashtags given both as they are and split into words
    ("#MealPrep" gives "meal prep mealprep"). Characters of scripts without spaces are a token each.
    """
    text = text[:limit]
    ascii_alone = text.isascii()  # most text is, and has nothing to be folded
    if not ascii_alone:
        text = unicodedata.normalize("NFKC", text)
    if "://" in text or "@" in text or "www." in text.casefold():
        text = _LINK.sub(" ", text)
    if not ascii_alone:
        text = _INVISIBLE.sub("", text)
    if "#" in text:  # NFKC has made the wide sign this one
        text = _HASHTAG.sub(lambda match: f" {_split_hashtag(match.group(1))} ", text)
    if not ascii_alone:
        text = _EMOJI.sub(lambda match: f" {_emoji_words(match.group())} ", text)
        decomposed = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", _LATIN_ACCENTS.sub("", decomposed))
        text = _UNSPACED.sub(r" \1 ", text)
    text = text.casefold()
    if "'" in text or "’" in text:
        # an apostrophe belongs to its word: "let's" is one token, as people also write "lets"
        text = _APOSTROPHE.sub("", text)
    return " ".join(text.translate(_ASCII_MARKS).split() if text.isascii() else _WORD.findall(text))


@lru_cache(maxsize=65536)
def _split_hashtag(tag: str) -> str:
    words = _CAMEL.sub(" ", tag).split()
    return f"{' '.join(words)} {tag.replace('_', '')}" if len(words) > 1 else tag


@lru_cache(maxsize=4096)
def _emoji_words(character: str) -> str:
    if ord(character) in _EMOTICONS:
        return ""
    words = unicodedata.name(character, "").lower().split()
    return " ".join(word for word in words if len(word) > 1 and word not in _EMPTY_NAMES)
