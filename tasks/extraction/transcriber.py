"""One video's speech, transcribed region by region as decoding finds them, so that no track is held in memory."""

from __future__ import annotations

from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice, as_speech, load_speech
from tasks.records import Segment, Span, Speech
from tasks.settings import SpeechSettings


class Transcriber:
    """Without a region the engine is not even loaded. The language is found once, with the first words."""

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings) -> None:
        self._choice = choice
        self._settings = settings
        self._language = settings.language
        self._segments: list[Segment] = []
        self._heard: list[Span] = []

    def hear(self, region: Region) -> None:
        engine = load_speech(self._choice, self._settings)
        if engine is None:
            return
        segments = engine.transcribe([region], {region.video_id: self._language})[0]
        self._language = self._language or next((segment.language for segment in segments), None)
        self._segments += segments
        self._heard.append(Span(start_s=region.start_s, end_s=region.end_s))

    def finish(self, audio_s: float) -> Speech:
        """audio_s: length of the track."""
        return as_speech(self._choice, [self._segments], self._heard, audio_s)
