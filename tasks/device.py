"""Where models compute."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

#: Device nodes of NVIDIA's driver: native, Jetson's, and Windows' subsystem for Linux.
_DRIVER_NODES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg")


def driver_present() -> bool:
    """Whether a CUDA device could be there: costs microseconds, torch is not imported."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if os.name == "nt":
        return (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll").exists()
    return any(Path(node).exists() for node in _DRIVER_NODES)


@cache
def cuda_available() -> bool:
    """Whether torch can compute on a CUDA device. torch is imported only where NVIDIA's driver is."""
    if not driver_present():
        return False
    import torch

    return torch.cuda.is_available()


def device_count() -> int:
    """How many CUDA devices torch can compute on."""
    if not cuda_available():
        return 0
    import torch

    return torch.cuda.device_count()
