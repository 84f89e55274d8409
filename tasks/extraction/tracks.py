"""Lines of text followed from one read frame to the next, until they are on-screen texts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from tasks.extraction.crops import overlap, shared_area
from tasks.extraction.presence import Template
from tasks.records import Box, OnScreenText, Span, TextLine

SURE = 0.85  # confidence at which a reading that differs is another text, not a misreading
SAME_SURE = 80.0  # similarity (0-100) of two sure readings of one text
SAME_UNSURE = 55.0  # and of two readings of which one is unsure
PART = 85.0  # similarity of a text and a part of another
GROWN_LETTERS = 3  # shorter texts are not taken for the beginning of a longer one
FEW_LETTERS = 3  # in things that look like letters, no more than these are found
FEW_CONFIDENCE = 0.85  # least confidence of one character, and of a few that are gone at once
FEW_S = 0.4  # least time that one character stays, and that unsure ones do
CIRCLES = "0oO〇○"  # wheels, lamps, planets and rows of buttons are read as these, surely even
PATTERN_HEIGHT = 0.5  # of the frame; a few letters as high as this are windows, ribs, fingers


@dataclass
class Track:
    """One text while it stays."""

    start_s: float
    seen_s: float  # last read frame in which it was there
    box: Box
    template: Template | None
    votes: dict[str, list[TextLine]] = field(default_factory=lambda: defaultdict(list))

    def add(self, line: TextLine) -> None:
        self.votes[line.text].append(line)
        self.box = line.box

    @property
    def reading(self) -> TextLine:
        """The text with most confidence in all, or the longer one that it is the beginning of; its surest line."""
        weights = {text: sum(line.confidence**2 for line in lines) for text, lines in self.votes.items()}
        best = max(weights, key=lambda text: weights[text])
        sure = [text for text, lines in self.votes.items() if max(line.confidence for line in lines) >= SURE]
        longer = [text for text in sure if begins(best, text)]
        best = max(longer, key=lambda text: (len(text), weights[text]), default=best)
        return max(self.votes[best], key=lambda line: line.confidence)

    def continues_as(self, line: TextLine) -> float:
        """How well a line carries this text on: 0 for not at all."""
        place = overlap(self.box, line.box)
        last = self.reading
        likeness = fuzz.ratio(letters(last.text), letters(line.text)) if letters(last.text) else 0.0
        if last.text == line.text:
            likeness = 100.0
        if place > 0.3 and same_text(last, line, likeness):
            return 1 + place + likeness / 100
        if _beside(self.box, line.box) and (begins(last.text, line.text) or begins(line.text, last.text)):
            return 1 + place
        if likeness >= 90 and len(letters(line.text)) > GROWN_LETTERS and _moved(self.box, line.box):
            return likeness / 200
        return 0.0


def letters(text: str) -> str:
    """What texts are compared by: letters and digits in lower case."""
    return "".join(character for character in text.casefold() if character.isalnum())


def begins(short: str, long: str) -> bool:
    """Is a text the beginning of a longer one, misreadings aside: words that are added one by one?"""
    head, whole = letters(short), letters(long)
    return GROWN_LETTERS <= len(head) < len(whole) and fuzz.ratio(head, whole[: len(head)]) >= PART


def same_text(a: TextLine, b: TextLine, likeness: float) -> bool:
    """Are two readings at one place the same text? likeness: similarity in 0..100."""
    if likeness == 100:
        return True
    both_sure = min(a.confidence, b.confidence) >= SURE
    if both_sure and _digits(a.text) != _digits(b.text):
        return False
    return likeness >= (SAME_SURE if both_sure else SAME_UNSURE)


def part_of(line: TextLine, box: Box, whole: TextLine) -> bool:
    """Is a line a piece of a text at `box`, which was found whole at another time?"""
    area = line.box.width * line.box.height
    inside = shared_area(line.box, box) / area if area > 0 else 0.0
    piece, text = letters(line.text), letters(whole.text)
    return inside > 0.7 and len(piece) < len(text) and fuzz.partial_ratio(piece, text) >= PART


def is_text(track: Track, least_confidence: float) -> bool:
    """Sure enough, and more than a stray symbol. For a track that has ended."""
    line = track.reading
    found = letters(line.text)
    if not found or line.confidence < least_confidence:
        return False
    if is_circles(line.text):
        return False
    unsure, brief = line.confidence < FEW_CONFIDENCE, track.seen_s - track.start_s < FEW_S
    if len(found) == 1 and (unsure or brief):
        return False
    if len(found) <= FEW_LETTERS:
        return not (unsure and brief) and line.box.height <= PATTERN_HEIGHT
    return True


def is_circles(text: str) -> bool:
    """Nothing but round signs; a single zero can be the end of a countdown."""
    signs = "".join(text.split())
    return signs != "0" and all(sign in CIRCLES for sign in signs)


def in_windows(track: Track, windows: tuple[Span, ...]) -> list[OnScreenText]:
    """The text's rows: one for each sampled part that it was seen in."""
    line = track.reading
    rows = []
    for span in windows:
        start_s, end_s = max(track.start_s, span.start_s), min(track.seen_s, span.end_s)
        if start_s < end_s:
            rows.append(
                OnScreenText(text=line.text, start_s=start_s, end_s=end_s, box=line.box, confidence=line.confidence)
            )
    return rows


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _beside(a: Box, b: Box) -> bool:
    """Two boxes on one line of writing that touch."""
    shared = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    smaller = min(a.width * a.height, b.width * b.height)
    return shared > 0.6 * max(a.height, b.height) and shared_area(a, b) > 0.7 * smaller


def _moved(a: Box, b: Box) -> bool:
    """Could a text have gone from one box to the other between two read frames?"""
    similar = 0.7 < a.height / max(b.height, 1e-9) < 1.4
    return similar and abs(a.x - b.x) < 0.3 and abs(a.y - b.y) < 0.3
