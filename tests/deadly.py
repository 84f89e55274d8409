"""An extraction that does to its worker what a bad file may do; chosen by the video's name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tasks.extraction.video import Job
from tasks.extraction.video import extract as real_extract
from tasks.records import StageOutcome


def extract(job: Job, progress: Callable[[float], None]) -> list[StageOutcome]:
    if job.video_id == "killer":
        os.abort()
    if job.video_id == "sleeper":
        time.sleep(600)
    return real_extract(job, progress)
