"""pocketsphinx: English only, embedded, for machines without Whisper's weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice
from tasks.records import Segment
from tasks.settings import SpeechSettings

FRAMES_PER_S = 100
LANGUAGE = "en"
PAUSE_S = 0.5  # a longer pause between words begins a new segment
#: Words made up over music are long drawn. On the clips in shared/media real English words lasted 0.94 s at most and
#: 0.37 s on average per region; words "heard" in music and effects 0.57 to 2.3 s on average.
LONGEST_WORD_S = 1.2
NOISE_WORD_S = 0.5
NOISE_WORDS = 3  # an average over fewer words says nothing
SHORTEST_S = 0.1  # no word is shorter, and the decoder refuses an utterance without a frame
_VARIANT = re.compile(r"\(\d+\)$")  # the dictionary's mark of a second pronunciation


@dataclass(frozen=True)
class Word:
    text: str
    start_s: float
    end_s: float


class SphinxEngine:
    """The decoder is loaded once and kept; it serves one thread at a time."""

    name = "pocketsphinx"
    batch_s = 0.0

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings) -> None:
        from pocketsphinx import Decoder

        self.model = choice.model
        # Twice the usual weight of the phones ahead takes 0.6 of the decoder's work at the same number of word errors
        # (186 in 481 words of real speech); this limit of states takes a little more for two errors.
        # Features and cepstral means cannot be set here: the model's feat.params override what is given.
        self._decoder = Decoder(maxhmmpf=settings.maxhmmpf, pl_weight=settings.pl_weight, loglevel="FATAL")
        self._lock = Lock()

    def transcribe(self, regions: Sequence[Region], languages: Mapping[str, str | None]) -> list[list[Segment]]:
        """As SpeechEngine. A video that is known not to be English gets no words rather than wrong ones."""
        return [
            self._transcribe(region) if languages.get(region.video_id) in (None, LANGUAGE) else [] for region in regions
        ]

    def _transcribe(self, region: Region) -> list[Segment]:
        if region.end_s - region.start_s < SHORTEST_S:
            return []
        with self._lock:
            # Noise and cepstral means carry over from one utterance to the next and harm it (jfk.flac heard twice: word
            # error rate 0.32, then 0.77); a region must not depend on what was heard before, either.
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            try:
                self._decoder.process_raw(region.pcm.tobytes(), False, True)
            finally:
                self._decoder.end_utt()  # or the decoder would refuse the next utterance
            if self._decoder.hyp() is None:
                return []
            words = [
                Word(
                    _VARIANT.sub("", found.word),
                    region.start_s + found.start_frame / FRAMES_PER_S,
                    min(region.end_s, region.start_s + (found.end_frame + 1) / FRAMES_PER_S),
                )
                for found in self._decoder.seg()
                if not found.word.startswith(("<", "["))  # fillers: silence, noise, breath
            ]
        return segments(without_noise(words))


def without_noise(words: Sequence[Word]) -> list[Word]:
    """The words of a region that can have been spoken: none if they are too long on average, else the short enough."""
    lengths_s = [word.end_s - word.start_s for word in words]
    if len(words) >= NOISE_WORDS and sum(lengths_s) / len(words) > NOISE_WORD_S:
        return []
    return [word for word, length_s in zip(words, lengths_s, strict=True) if length_s <= LONGEST_WORD_S]


def segments(words: Iterable[Word]) -> list[Segment]:
    """Words in order -> segments, split at pauses. pocketsphinx's probabilities tell nothing, so confidence is None."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or word.start_s - groups[-1][-1].end_s > PAUSE_S:
            groups.append([])
        groups[-1].append(word)
    return [
        Segment(
            start_s=group[0].start_s,
            end_s=group[-1].end_s,
            text=" ".join(word.text for word in group),
            language=LANGUAGE,
        )
        for group in groups
    ]
