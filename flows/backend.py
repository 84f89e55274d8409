"""The backend of a run: the pools that its work is done in, the device, and the spool between them."""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from pathlib import Path

import platformdirs

from flows.device import Device, Turn
from flows.plan import Planned
from flows.pools import WorkerPool
from tasks.device import cuda_available, device_count
from tasks.errors import PoolStopped
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.speech import SpeechChoice
from tasks.keys import digest
from tasks.settings import Settings
from tasks.storage import private_folder


class Backend:
    """Processes of this machine, made when they are first asked for. folder: local, for what decoding leaves to the device."""

    def __init__(self, settings: Settings, ocr: OcrChoice, speech: SpeechChoice, folder: Path, run_id: str) -> None:
        self.settings = settings
        self._cuda = "cuda" in (ocr.device, speech.device)
        self._folder, self._run_id = folder, run_id
        self._stopped = False

    @cached_property
    def on_device(self) -> bool:
        """Do text and speech run in processes of their own, that hold the device?"""
        mode = self.settings.pools.gpu
        return mode == "on" or (mode == "auto" and cuda_available() and self._cuda)

    @cached_property
    def cpu(self) -> WorkerPool:
        return self._pool("cpu", self.settings.workers, self.settings.limits.worker_mb)

    @cached_property
    def device(self) -> Device | None:
        """The processes that hold the devices; None where the models run in the CPU processes."""
        if not self.on_device:
            return None
        pools = [self._pool(f"gpu-{slot}", 1, self.settings.limits.device_mb) for slot in range(self._slots())]
        return Device(pools, self.settings.pools.batch_size, self._locks())

    def _slots(self) -> int:
        return max(1, device_count() if self._cuda else 1)

    def _locks(self) -> Path | None:
        """Every run of this user on this machine sees the same locks, whatever its cache."""
        return private_folder(Path(platformdirs.user_cache_dir("reelscope")))

    def _pool(self, name: str, workers: int, memory_mb: float) -> WorkerPool:
        if self._stopped:
            raise PoolStopped("the run was stopped")
        limits, pools = self.settings.limits, self.settings.pools
        return WorkerPool(name, workers, limits.video_s, memory_mb, pools.jobs_per_worker)

    @property
    def _used(self) -> Device | None:
        """The device, if it was asked for already."""
        return self.__dict__.get("device")

    @property
    def turns(self) -> list[Turn]:
        """Who held a device from when to when; empty without one."""
        return self._used.turns if self._used else []

    def waiting(self) -> dict[str, int]:
        """How many videos wait for a process (`cpu`), and for a turn on the device per stage."""
        queues = {"cpu": self.cpu.waiting()} if "cpu" in self.__dict__ else {}
        return queues | (self._used.waiting() if self._used else {})

    @cached_property
    def _spool(self) -> Path:
        """Where decoding leaves what the device reads; what killed runs have left there is removed."""
        spools = private_folder(self._folder / "spool")
        for left in spools.iterdir():
            if not Path("/proc", left.name.split("-")[0]).exists() and Path("/proc").is_dir():
                shutil.rmtree(left, ignore_errors=True)
        return private_folder(spools / f"{os.getpid()}-{self._run_id}")

    def spool_of(self, planned: Planned) -> Path | None:
        """None where the models run in the process that decodes."""
        return self._spool / digest(planned.video.video_id, planned.input_hash) if self.on_device else None

    def unspool(self, planned: Planned) -> None:
        """Remove what was spooled of a video."""
        if spool := self.spool_of(planned):
            shutil.rmtree(spool, ignore_errors=True)

    def device_busy_share(self, elapsed_s: float) -> float | None:
        """Share of the seconds in which the devices were at work; None where none was used."""
        if self._used is None or not self._used.turns or elapsed_s <= 0:
            return None
        return min(1.0, self._used.busy_s() / (elapsed_s * len(self._used.pools)))

    def stop(self) -> None:
        """End the pools and remove what lay between them."""
        self._stopped = True
        if "cpu" in self.__dict__:
            self.cpu.stop()
        if self._used:
            self._used.stop()
        self._remove_spool()

    def _remove_spool(self) -> None:
        if "_spool" in self.__dict__:
            shutil.rmtree(self._spool, ignore_errors=True)
