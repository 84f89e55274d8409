"""An extraction that does to its worker what a bad file may do; chosen by the video's name.

`python -m tests.deadly run SOURCE --out OUT` is the command line with this extraction in place of the real one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flows import headers
from flows.headers import Header
from tasks.extraction import opening, video
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.video import Job
from tasks.records import StageOutcome
from tasks.settings import Settings

real_read_header = headers.read_header
real_extract, real_file = video.extract, opening.SourceFile
READS = 4  # of the flaky file that go well, before one fails


def touched(megabytes: int) -> bytearray:
    """Memory whose pages are there, not only promised."""
    return bytearray(b"x") * (megabytes << 20)


def eat() -> None:
    """Take memory until somebody ends it; slowly enough to be looked at on the way."""
    eaten = []
    while True:
        eaten.append(touched(16))
        time.sleep(0.005)


class FlakyFile(opening.SourceFile):
    """A file whose disk fails in its midst, the first two times that it is opened: the kernel says so (Linux)."""

    opened = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        FlakyFile.opened += 1
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if FlakyFile.opened <= 2 and self._reads == READS:
            with Path("/proc/self/mem").open("rb", buffering=0) as memory:  # nothing lies at address 0: EIO
                os.dup2(memory.fileno(), self.fileno())
        return super().read(size)


def without_weights(job: Job) -> Settings:
    """EasyOCR finds none, and may not fetch them."""
    text = job.settings.text.model_copy(update={"weights_dir": str(Path(job.path).parent), "download": False})
    return job.settings.model_copy(update={"text": text})


def extract(job: Job, progress: Callable[[float], None]) -> list[StageOutcome]:
    if job.video_id == "killer":
        os.abort()
    if job.video_id == "sleeper":
        time.sleep(600)
    if job.video_id == "eater":
        eat()
    if job.video_id == "unread":
        job = replace(job, ocr=OcrChoice("easyocr", "none", "cpu", None), settings=without_weights(job))
    opening.SourceFile = FlakyFile if job.video_id == "flaky" else real_file  # type: ignore[misc]
    return real_extract(job, progress)


def read_header(header: Header, progress: Callable[[float], None]) -> list[StageOutcome]:
    if header.video_id == "killer":
        os.abort()
    if header.video_id == "sleeper":
        time.sleep(600)
    return real_read_header(header, progress)


def main() -> None:
    from flows.cli import main as command

    video.extract = extract
    command()


if __name__ == "__main__":
    from tests.deadly import main as imported  # workers look the extraction up by this name

    imported()
