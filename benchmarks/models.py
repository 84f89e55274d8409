"""EasyOCR and Whisper with toy weights that read and hear: batches that videos share against one thing at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.device import cuda_available
from tasks.extraction.crops import cut
from tasks.extraction.gathering import Gathering, Seat
from tasks.extraction.ocr import Strip
from tasks.extraction.regions import Region
from tests.toys import easy, hearing
from tests.toys.easy_lines import FONTS, WORDS, lay

VIDEOS = 8
FRAMES = 4  # of each video
SENTENCES = 6  # of each video
TOGETHER = 4  # frames that a reader hands over at once, as text.batch_frames has it

SIZE = (360, 640)
LINES = 3

Read = list[list[str]]  # per frame its lines


def run_models(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Both engines, one by one and in batches. Needs espeak-ng."""
    place = "cuda" if cuda_available() else "cpu"
    return {"device": _device(place), "text": _text(folder, place, say), "speech": _speech(folder, place, say)}


def _device(place: str) -> str:
    if place == "cpu":
        return "CPU"
    import torch

    return torch.cuda.get_device_name(0)


def _text(folder: Path, place: str, say: Callable[[str], None]) -> dict[str, Any]:
    from tasks.extraction.ocr import OcrChoice
    from tasks.extraction.ocr_easy import EasyOcr
    from tasks.settings import Text

    weights = easy.make_weights(folder / "easy")
    with easy.trusted(weights):
        settings = Text(engine="easyocr", weights_dir=str(weights), download=False)
        engine = EasyOcr(OcrChoice("easyocr", "toy", place, None), settings)
    videos = [[_frame(FRAMES * video + frame) for frame in range(FRAMES)] for video in range(VIDEOS)]
    engine.recognise([cut(videos[0][0], quad) for quad in engine.detect([_strip(videos[0][0])])[0]])  # warm
    say("text, one by one")
    began_s = time.perf_counter()
    alone = [[_read_alone(engine, frame) for frame in frames] for frames in videos]
    one_by_one_s = time.perf_counter() - began_s
    say("text, in batches")
    gathering = Gathering(engine)
    seats = [gathering.seat() for _ in videos]
    together: list[Read] = [[] for _ in videos]

    def read(video: int) -> None:
        together[video] = _read_together(seats[video], videos[video])
        gathering.leave()

    began_s = time.perf_counter()
    readers = [threading.Thread(target=read, args=(video,)) for video in range(VIDEOS)]
    for reader in readers:
        reader.start()
    gathering.serve()
    batched_s = time.perf_counter() - began_s
    lines = [
        (one, two) for mine, theirs in zip(alone, together, strict=True) for one, two in zip(mine, theirs, strict=True)
    ]
    return {
        "items": VIDEOS * FRAMES,
        "one_by_one_s": one_by_one_s,
        "batched_s": batched_s,
        "busy_share": sum(seat.wall_s for seat in seats) / batched_s,
        "same": sum(one == two for one, two in lines),
        "compared": len(lines),
    }


def _frame(number: int) -> NDArray[np.uint8]:
    """Lines of two words each, other ones in every frame."""
    image = np.full((*SIZE, 3), 70, np.uint8)
    for row in range(LINES):
        words = [WORDS[(LINES * number + row + step) % len(WORDS)] for step in (0, 7)]
        lay(image, " ".join(words), left=40, top=40 + 100 * row, size_px=32, font=FONTS[0])
    return image


def _strip(frame: Any) -> Strip:
    return Strip(frame, 0, frame.shape[0])


def _read_alone(engine: Any, frame: Any) -> list[str]:
    quads = engine.detect([_strip(frame)])[0]
    return [engine.recognise([cut(frame, quad)])[0][0] for quad in quads]


def _read_together(seat: Seat, frames: Sequence[Any]) -> Read:
    read: Read = []
    for first in range(0, len(frames), TOGETHER):
        some = frames[first : first + TOGETHER]
        quads = seat.detect([_strip(frame) for frame in some])
        texts = iter(
            seat.recognise([cut(frame, quad) for frame, found in zip(some, quads, strict=True) for quad in found])
        )
        read += [[next(texts)[0] for _ in found] for found in quads]
    return read


def _speech(folder: Path, place: str, say: Callable[[str], None]) -> dict[str, Any]:
    from tasks.extraction.speech import SpeechChoice
    from tasks.extraction.speech_whisper import WhisperEngine
    from tasks.settings import SpeechSettings

    weights = hearing.make_whisper(folder / "hearing.pt")
    engine = WhisperEngine(SpeechChoice("whisper", "toy", place, None, str(weights)), SpeechSettings())
    said = hearing.SENTENCES["en"]
    regions = [
        Region(f"v{video}", 10.0 * number, np.array(hearing.say(said[(video + number) % len(said)])))
        for video in range(VIDEOS)
        for number in range(SENTENCES)
    ]
    engine.transcribe(regions[:1], {})  # warm
    say("speech, one by one")
    began_s = time.perf_counter()
    alone = [engine.transcribe([region], {})[0] for region in regions]
    one_by_one_s = time.perf_counter() - began_s
    say("speech, in batches")
    began_s = time.perf_counter()
    together = engine.transcribe(regions, {})
    batched_s = time.perf_counter() - began_s
    engine._batch = 1
    singly = engine.transcribe(regions, {})
    heard = [[" ".join(segment.text for segment in segments) for segments in found] for found in (alone, together)]
    return {
        "items": len(regions),
        "as_alone": sum(one == two for one, two in zip(*heard, strict=True)),
        "one_by_one_s": one_by_one_s,
        "batched_s": batched_s,
        "busy_share": None,
        "same": sum(one == two for one, two in zip(singly, together, strict=True)),
        "compared": len(regions),
    }
