"""The versions that a run was made with."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

PACKAGES = [
    "reelscope",
    "prefect",
    "av",
    "opencv-python",
    "scenedetect",
    "numpy",
    "onnxruntime",
    "rapidocr",
    "easyocr",
    "openai-whisper",
    "pocketsphinx",
    "silero-vad",
    "torch",
    "scikit-learn",
    "skops",
    "pandas",
    "pyarrow",
]


@cache
def versions() -> dict[str, str | None]:
    """Package -> version, None where it is not installed; and Python's."""
    return {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
