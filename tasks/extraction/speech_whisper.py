"""Whisper (openai-whisper): many languages, on CUDA or, slowly, on the CPU."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from threading import Lock

from tasks.errors import EngineError
from tasks.extraction.halving import in_batches
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.whisper_decoding import MOST_COMPRESSION, Hypothesis, decode
from tasks.extraction.whisper_passes import Pass, encode, first_passes
from tasks.extraction.windows import WINDOW_S, pack
from tasks.records import Segment
from tasks.settings import SpeechSettings

CUDA_WINDOWS, CPU_WINDOWS = 24, 6  # decoded at once; halved where the device's memory is too small
FILL = 2 / 3  # of a window that packing fills at least, as a rule
MOST_PASSES = 30  # over one window; a sound model needs one or two


class WhisperEngine:
    """Regions are packed into windows of 30 s, which are decoded in batches over many videos.

    No window knows the text before it, so that one bad window does not spoil the next, and none depends on the others
    of its batch. Whisper's own guards are on (see whisper_decoding). One thread at a time.
    """

    name = "whisper"

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings, sample_len: int | None = None) -> None:
        """sample_len: most tokens per window of 30 s; None leaves it to the model.

        Raises EngineError for weights that cannot be loaded and for a language that Whisper does not know.
        """
        import whisper
        from whisper.tokenizer import LANGUAGES

        if settings.language is not None and settings.language not in LANGUAGES:
            raise EngineError(
                f"Whisper does not know the language {settings.language!r} (speech.language)",
                f"Use one of its codes: {', '.join(sorted(LANGUAGES))}.",
            )
        assert choice.weights is not None
        try:
            self._model = whisper.load_model(choice.weights, device=choice.device)
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise EngineError(
                f"Whisper's weights {choice.weights} cannot be loaded: {error}",
                "Delete the file and fetch it again, or choose --speech pocketsphinx.",
            ) from error
        self.model = choice.model
        self._batch = CUDA_WINDOWS if choice.device.startswith("cuda") else CPU_WINDOWS
        self.batch_s = self._batch * WINDOW_S * FILL
        self._sample_len = sample_len
        self._lock = Lock()

    def transcribe(self, regions: Sequence[Region], languages: MutableMapping[str, str | None]) -> list[list[Segment]]:
        """As SpeechEngine. An unknown language is found in the window that holds the video's longest region."""
        import torch

        found: list[list[Segment]] = [[] for _ in regions]
        with self._lock, torch.no_grad():
            passes = first_passes(pack(regions), self._model)
            spoken = self._find_languages(passes, languages)
            for left in reversed(range(MOST_PASSES)):
                rests: list[Pass] = []
                for each, hypothesis in zip(passes, self._decode(passes, spoken), strict=True):
                    rests += self._take(each, spoken[each.window.video_id], hypothesis, found, last=left == 0)
                passes = rests
        return [without_loops(segments) for segments in found]

    def _find_languages(self, passes: Sequence[Pass], languages: MutableMapping[str, str | None]) -> dict[str, str]:
        """The language of each video; what was unknown is in the mapping, then, and its encoder output is kept."""
        asked: dict[str, Pass] = {}
        for each in passes:
            video_id = each.window.video_id
            if languages.get(video_id) is None:
                asked[video_id] = max(asked.get(video_id, each), each, key=lambda each: each.window.longest)

        def find(batch: Sequence[Pass]) -> list[str]:
            features = encode(batch, self._model)
            _, chances = self._model.detect_language(features)
            for each, encoded in zip(batch, features, strict=True):
                each.features = encoded
            return [max(chance, key=chance.__getitem__) for chance in chances]

        if self._model.is_multilingual:
            found = dict(zip(asked, in_batches(find, list(asked.values()), self._batch), strict=True))
        else:
            found = dict.fromkeys(asked, "en")
        languages.update(found)
        return {video_id: language for video_id, language in languages.items() if language is not None}

    def _decode(self, passes: Sequence[Pass], languages: Mapping[str, str]) -> list[Hypothesis]:
        """What is heard in each."""
        import torch

        def hear(batch: Sequence[Pass]) -> list[Hypothesis]:
            new = [each for each in batch if each.features is None]
            encoded = iter(encode(new, self._model) if new else ())
            features = [next(encoded) if each.features is None else each.features for each in batch]
            spoken = [languages[each.window.video_id] for each in batch]
            return decode(self._model, torch.stack(features), spoken, self._sample_len)

        return in_batches(hear, passes, self._batch)

    def _take(
        self, each: Pass, language: str, hypothesis: Hypothesis, found: Sequence[list[Segment]], last: bool
    ) -> list[Pass]:
        """Puts the segments of a pass to those of their regions; what is to be decoded after it.

        last: nothing is; an unfinished segment is taken as it is.
        """
        if hypothesis.is_silence:
            return each.rest(each.duration_s)
        segments, unfinished = hypothesis.slices(each.duration_s)
        if unfinished and last:
            segments, unfinished = [*segments, unfinished], None
        for segment in segments:
            if segment.start_s < segment.end_s:  # Whisper drops the others, too
                place = each.window.place(each.start_s + segment.start_s, each.start_s + segment.end_s)
                found[place.index].append(
                    Segment(
                        start_s=place.start_s,
                        end_s=place.end_s,
                        text=segment.text,
                        language=language,
                        confidence=hypothesis.confidence,
                    )
                )
        return each.rest(unfinished.start_s if unfinished else each.duration_s)


def without_loops(segments: Iterable[Segment]) -> list[Segment]:
    """A region's segments without empty ones, those that repeat the one before, and those whose text repeats itself."""
    kept: list[Segment] = []
    for segment in segments:
        text = segment.text.encode()
        repeats = bool(kept) and kept[-1].text.casefold() == segment.text.casefold()
        if text and not repeats and len(text) / len(zlib.compress(text)) <= MOST_COMPRESSION:
            kept.append(segment)
    return kept
