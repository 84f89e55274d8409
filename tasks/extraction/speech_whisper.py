"""Whisper (openai-whisper): many languages, on CUDA or, slowly, on the CPU."""

from __future__ import annotations

import pickle
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
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

CUDA_WINDOWS, CPU_WINDOWS = 16, 4  # decoded at once; halved where the device's memory is too small
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
        self._batch = CUDA_WINDOWS if choice.device == "cuda" else CPU_WINDOWS
        self.batch_s = self._batch * WINDOW_S
        self._sample_len = sample_len
        self._lock = Lock()

    def transcribe(self, regions: Sequence[Region], languages: MutableMapping[str, str | None]) -> list[list[Segment]]:
        """As SpeechEngine. An unknown language is found in the window that holds the video's longest region."""
        import torch

        found: list[list[Segment]] = [[] for _ in regions]
        with self._lock, torch.no_grad():
            passes = first_passes(pack(regions), self._model)
            self._find_languages(passes, languages)
            for left in reversed(range(MOST_PASSES)):
                rests: list[Pass] = []
                for each, language, hypothesis in self._decode(passes, languages):
                    rests += self._take(each, language, hypothesis, found, last=left == 0)
                passes = rests
        return [without_loops(segments) for segments in found]

    def _find_languages(self, passes: Sequence[Pass], languages: MutableMapping[str, str | None]) -> None:
        """Puts each unknown language into the mapping. What was encoded for it is not encoded again."""
        asked: dict[str, Pass] = {}
        for each in passes:
            video_id = each.window.video_id
            if languages.get(video_id) is None:
                asked[video_id] = max(asked.get(video_id, each), each, key=lambda each: each.window.longest)
        if not self._model.is_multilingual:
            languages.update(dict.fromkeys(asked, "en"))
            return

        def find(batch: Sequence[Pass]) -> list[str]:
            features = encode(batch, self._model)
            _, chances = self._model.detect_language(features)
            for each, encoded in zip(batch, features, strict=True):
                each.features = encoded
            return [max(chance, key=chance.__getitem__) for chance in chances]

        for video_id, language in zip(asked, in_batches(find, list(asked.values()), self._batch), strict=True):
            languages[video_id] = language

    def _decode(
        self, passes: Sequence[Pass], languages: Mapping[str, str | None]
    ) -> Iterator[tuple[Pass, str, Hypothesis]]:
        """Each pass with its language and what was heard in it. Those of one language are decoded together."""
        import torch

        by_language: defaultdict[str, list[Pass]] = defaultdict(list)
        for each in passes:
            spoken = languages[each.window.video_id]
            assert spoken is not None
            by_language[spoken].append(each)
        for language, group in by_language.items():

            def hear(batch: Sequence[Pass], language: str = language) -> list[Hypothesis]:
                unknown = [each for each in batch if each.features is None]
                encoded = iter(encode(unknown, self._model) if unknown else ())
                features = [next(encoded) if each.features is None else each.features for each in batch]
                return decode(self._model, torch.stack(features), language, self._sample_len)

            for each, hypothesis in zip(group, in_batches(hear, group, self._batch), strict=True):
                yield each, language, hypothesis

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
