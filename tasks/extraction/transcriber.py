"""One video's speech, transcribed as decoding finds its regions, so that no track is held in memory."""

from __future__ import annotations

from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice, SpeechEngine, as_speech, load_speech
from tasks.records import Segment, Span, Speech
from tasks.settings import SpeechSettings


class Transcriber:
    """Without a region the engine is not even loaded.

    Regions wait until there is as much speech as the engine wants at once: that and one region is all that memory holds.
    """

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings) -> None:
        self._choice = choice
        self._settings = settings
        self._languages: dict[str, str | None] = {}  # the engine remembers here what it found
        self._waiting: list[Region] = []
        self._segments: list[list[Segment]] = []
        self._heard: list[Span] = []

    def hear(self, region: Region) -> None:
        engine = load_speech(self._choice, self._settings)
        if engine is None:
            return
        self._languages.setdefault(region.video_id, self._settings.language)
        self._waiting.append(region)
        if sum(waiting.end_s - waiting.start_s for waiting in self._waiting) >= engine.batch_s:
            self._transcribe(engine)

    def finish(self, audio_s: float) -> Speech:
        """audio_s: length of the track."""
        if self._waiting and (engine := load_speech(self._choice, self._settings)):
            self._transcribe(engine)
        return as_speech(self._choice, self._segments, self._heard, audio_s)

    def _transcribe(self, engine: SpeechEngine) -> None:
        self._segments += engine.transcribe(self._waiting, self._languages)
        self._heard += [Span(start_s=region.start_s, end_s=region.end_s) for region in self._waiting]
        self._waiting = []
