"""Pools of a Ray cluster in place of this machine's: the same jobs, on whatever node has room for them.

Ray moves a job to a node; there the same kind of pool holds it as at home, in a process of its own with the same
limits. What decoding leaves for the device travels between nodes through Ray's object store.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import socket
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from flows.backend import Backend
from flows.plan import Planned
from flows.pools import Work, WorkerPool, lost, settle
from tasks.errors import EngineError, PoolStopped, UsageError, WorkerDied
from tasks.extraction.group import Group
from tasks.extraction.video import Job
from tasks.keys import digest
from tasks.records import StageOutcome
from tasks.settings import Settings

T = TypeVar("T")
ANSWER_S = 5.0  # for the head of a cluster to take a connection
NODE_LOSSES = 2  # nodes that may be lost under a job before it is its video's failure

#: By the id of a spool: where the object store has what decoding has left.
Spools = dict[str, Any]


@dataclass(frozen=True)
class Held:
    """The limits that a node holds a video to."""

    timeout_s: float
    memory_mb: float
    jobs: int  # after which a process is replaced


def connect(address: str) -> None:
    """Join the cluster, once a process. Raises UsageError without Ray, EngineError where no cluster answers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--runner ray needs Ray: pip install 'reelscope[ray]'") from None
    if ray.is_initialized():
        return
    try:
        if ":" in address and "://" not in address:
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=ANSWER_S).close()  # Ray would try for half a minute
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineError(
            f"no Ray cluster at {address!r}: {words}",
            "Start one with `ray start --head`, or name its address with --set pools.address=HOST:PORT; "
            "where it asks for a token, RAY_AUTH_MODE and RAY_AUTH_TOKEN must be set here as well.",
        ) from None


def resources() -> dict[str, float]:
    """What the nodes of the cluster have together: CPU, GPU, ..."""
    import ray

    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def there(chosen: Callable[[Any], T], settings: Any) -> T:
    """What a function says on a node that has a GPU, where one has: engines are chosen where they will run."""
    import ray

    gpus = min(1.0, resources().get("GPU", 0.0))
    answered: T = ray.get(ray.remote(chosen).options(num_cpus=0, num_gpus=gpus).remote(settings))
    return answered


@dataclass
class _Order:
    work: Work
    job: Any
    stage: str
    videos: int
    outcome: Future[list[StageOutcome]] = field(default_factory=Future)
    reference: Any = None  # what Ray will have an answer for; None while it waits here


class RayPool:
    """As WorkerPool, over the nodes of a cluster: `workers` jobs at once, each with so many CPUs and GPUs to itself."""

    def __init__(self, name: str, workers: int, held: Held, spools: Spools, cpus: float, gpus: float) -> None:
        import ray

        self.name, self.workers = name, workers
        self._held, self._spools = held, spools
        # without max_calls=0 every job of a GPU would start a process anew, and load its models
        self._remote = ray.remote(max_calls=0, max_retries=NODE_LOSSES)(_on_node).options(
            num_cpus=cpus, num_gpus=gpus, num_returns=2, name=f"reelscope {name}"
        )
        self._orders: dict[Any, _Order] = {}
        self._queue: deque[_Order] = deque()
        self._running = 0
        self._lock = threading.RLock()
        self._stopped = False

    def submit(self, work: Work, job: Any, stage: str, videos: int = 1) -> Future[list[StageOutcome]]:
        """See WorkerPool."""
        with self._lock:
            known = self._orders.get((work, job))
            if known is not None:
                return known.outcome
            order = self._orders[work, job] = _Order(work, job, stage, videos)
            if self._stopped:
                order.outcome.set_exception(PoolStopped(f"the {self.name} pool was stopped"))
            else:
                self._queue.append(order)
                self._send()
            return order.outcome

    def forget(self, work: Work, job: Any) -> None:
        with self._lock:
            self._orders.pop((work, job), None)

    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._queue)

    def in_progress(self) -> float:
        """Nodes tell nothing of a video before it is done."""
        return 0.0

    def stop(self) -> None:
        """Leave nothing at work on the nodes; who still waits for an outcome is told."""
        import ray

        with self._lock:
            self._stopped = True
            unsettled = [order for order in self._orders.values() if not order.outcome.done()]
            self._queue.clear()
        for order in unsettled:
            if order.reference is not None:
                ray.cancel(order.reference, force=True)
            settle(order.outcome, error=PoolStopped(f"the {self.name} pool was stopped"))

    def _send(self) -> None:
        """Give Ray what may be at work; with the lock held."""
        while self._queue and self._running < self.workers:
            order = self._queue.popleft()
            self._running += 1
            spooled = [self._spools[str(job.spool)] for job in order.job.jobs] if isinstance(order.job, Group) else []
            job = _anywhere(order.job)
            order.reference, left = self._remote.remote(
                order.work, job, order.stage, order.videos, self._held, *spooled
            )
            if isinstance(order.job, Job) and order.job.spool:
                self._spools[order.job.spool] = left
            order.reference.future().add_done_callback(lambda done, order=order: self._done(order, done))

    def _done(self, order: _Order, done: Future[list[StageOutcome]]) -> None:
        from ray.exceptions import RayTaskError

        with self._lock:
            self._running -= 1
            self._send()
        error = done.exception()
        if error is None:
            settle(order.outcome, done.result())
        elif isinstance(error, RayTaskError):  # a fault of ours on the node: whoever waits must learn of it
            settle(order.outcome, error=error)
        else:
            words = f"{order.job.uri}: its node was lost ({type(error).__name__})"
            settle(order.outcome, [lost(order.job, order.stage, WorkerDied(words))])


class RayBackend(Backend):
    """The nodes of a cluster: a CPU for a video that is decoded, a GPU for the models where the cluster has one."""

    @cached_property
    def _spools(self) -> Spools:
        return {}

    @cached_property
    def on_device(self) -> bool:
        mode = self.settings.pools.gpu
        return mode == "on" or (mode == "auto" and self._cuda and resources().get("GPU", 0) >= 1)

    def _slots(self) -> int:
        return max(1, int(resources().get("GPU", 0)))

    def _locks(self) -> None:
        """Ray gives a device to one job at a time."""

    def _pool(self, name: str, workers: int, memory_mb: float) -> Any:
        if self._stopped:
            raise PoolStopped("the run was stopped")
        gpus = 0.0 if name == "cpu" else min(1.0, resources().get("GPU", 0.0))
        cpus = 1.0 if name == "cpu" else 0.0
        held = Held(self.settings.limits.video_s, memory_mb, self.settings.pools.jobs_per_worker)
        return RayPool(name, workers, held, self._spools, cpus, gpus)

    def spool_of(self, planned: Planned) -> Path | None:
        """An id, in the form of a path that every node may have."""
        if not self.on_device:
            return None
        return Path(self._run_id, digest(planned.video.video_id, planned.input_hash))

    def unspool(self, planned: Planned) -> None:
        self._spools.pop(str(self.spool_of(planned)), None)

    def _remove_spool(self) -> None:
        self._spools.clear()


def joined(settings: Settings) -> Settings:
    """Join the cluster. Gives settings whose workers are those of the cluster, where none were asked for.

    Raises UsageError without Ray, EngineError where no cluster answers.
    """
    connect(settings.pools.address)
    workers = settings.pools.workers or max(1, int(resources().get("CPU", 1)))
    return settings.model_copy(update={"pools": settings.pools.model_copy(update={"workers": workers})})


@cache
def _pool_of_node(held: Held) -> WorkerPool:
    """In a process of Ray: what holds its jobs, one after the other, for as long as the process lives."""
    return WorkerPool("node", 1, held.timeout_s, held.memory_mb, held.jobs)


def _on_node(
    work: Work, job: Any, stage: str, videos: int, held: Held, *spooled: bytes
) -> tuple[list[StageOutcome], bytes]:
    """In a process of Ray: the outcomes of a job, and what it has left for the device."""
    pool = _pool_of_node(held)
    with _unpacked(job, spooled) as here:
        try:
            outcomes = pool.submit(work, here, stage, videos).result()
        finally:
            pool.forget(work, here)
        left = _packed(Path(here.spool)) if isinstance(here, Job) and here.spool else b""
    return outcomes, left


def _anywhere(job: Any) -> Any:
    """The job with a path that holds in every folder: nodes have a current folder of their own."""
    if not isinstance(job, Job) or "://" in job.path:
        return job
    return replace(job, path=str(Path(job.path).absolute()))


@contextmanager
def _unpacked(job: Any, spooled: Sequence[bytes]) -> Iterator[Any]:
    """The job with spools in a folder of this node, which goes with the block."""
    folder = Path(tempfile.mkdtemp(prefix="reelscope-"))
    try:
        if isinstance(job, Group):
            jobs = []
            for number, (one, packed) in enumerate(zip(job.jobs, spooled, strict=True)):
                with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                    archive.extractall(folder / str(number), filter="data")
                jobs.append(replace(one, spool=str(folder / str(number))))
            yield replace(job, jobs=tuple(jobs))
        elif job.spool:
            yield replace(job, spool=str(folder / "0"))
        else:
            yield job
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _packed(spool: Path) -> bytes:
    """A folder as an uncompressed tar: pictures are JPEG already."""
    sink = io.BytesIO()
    if spool.is_dir():
        with tarfile.open(fileobj=sink, mode="w") as archive:
            archive.add(spool, arcname=".")
    return sink.getvalue()
