"""The spool: what a video gives to OCR and speech, on disk, when those run in another process than decoding.

A folder per video; frames as JPEG of high quality, regions of speech as raw samples. It is removed when both were read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tasks.extraction.frames import Image
from tasks.extraction.regions import Region
from tasks.extraction.sampling import WHOLE, Rows
from tasks.records import Span

FRAME_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
LUMA_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


class TextConsumer(Protocol):
    """What decoding feeds with pictures: a reader, or a spool that a reader is fed from later."""

    def see(self, time_s: float, luma: Image) -> None: ...

    def read(self, time_s: float, frame: Image, rows: Rows = WHOLE) -> None: ...


class SpoolWriter:
    """Takes what the readers would take, in the same order."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._images = (folder / "images.bin").open("wb")
        self._index: list[tuple[float, int, Rows | None]] = []  # when, bytes, rows to read; None: a small luma image
        self._regions: list[tuple[float, int]] = []  # when, samples
        self._pcm = (folder / "regions.pcm").open("wb")

    def see(self, time_s: float, luma: Image) -> None:
        self._put(time_s, luma, LUMA_QUALITY, None)

    def read(self, time_s: float, frame: Image, rows: Rows = WHOLE) -> None:
        self._put(time_s, frame, FRAME_QUALITY, rows)

    def hear(self, region: Region) -> None:
        self._regions.append((region.start_s, len(region.pcm)))
        self._pcm.write(region.pcm.tobytes())

    def close(self, windows: Sequence[Span], audio_s: float) -> None:
        self._images.close()
        self._pcm.close()
        index = {
            "images": self._index,
            "regions": self._regions,
            "windows": [(span.start_s, span.end_s) for span in windows],
            "audio_s": audio_s,
        }
        (self._folder / "index.json").write_text(json.dumps(index))

    def discard(self) -> None:
        """Remove what was written, of a pass that came to nothing."""
        self._images.close()
        self._pcm.close()
        shutil.rmtree(self._folder)

    def _put(self, time_s: float, image: Image, quality: list[int], rows: Rows | None) -> None:
        _, encoded = cv2.imencode(".jpg", image, quality)
        self._images.write(encoded.tobytes())
        self._index.append((time_s, len(encoded), rows))


class SpoolReader:
    """Gives back what was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        index = json.loads((folder / "index.json").read_text())
        self._images = index["images"]
        self._regions = index["regions"]
        self.windows = tuple(Span(start_s=start_s, end_s=end_s) for start_s, end_s in index["windows"])
        self.audio_s: float = index["audio_s"]

    def feed(self, consumer: TextConsumer) -> None:
        """Pass the pictures on, in the order in which they were decoded."""
        with (self._folder / "images.bin").open("rb") as images:
            for time_s, size, rows in self._images:
                encoded = np.frombuffer(images.read(size), np.uint8)
                if rows is None:
                    consumer.see(time_s, cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))  # type: ignore[arg-type]
                else:
                    consumer.read(time_s, cv2.imdecode(encoded, cv2.IMREAD_COLOR), Rows(*rows))  # type: ignore[arg-type]

    @property
    def speaks(self) -> bool:
        """Is there speech in it?"""
        return bool(self._regions)

    def regions(self, video_id: str) -> Iterator[Region]:
        with (self._folder / "regions.pcm").open("rb") as pcm:
            for start_s, samples in self._regions:
                yield Region(video_id, start_s, np.frombuffer(pcm.read(2 * samples), np.int16))
