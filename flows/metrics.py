"""A run in figures for Prometheus: OUT/metrics.prom, for the node exporter's textfile collector, whole at every moment."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows.signs import Signs
from tasks.errors import StorageError
from tasks.storage import Storage

if TYPE_CHECKING:
    from flows.session import Session

FILE = "metrics.prom"
EVERY_S = 10.0  # Prometheus asks every 15 to 60 s
OUTCOMES = ("running", "completed", "partial", "interrupted", "failed")
LAST = "reelscope_last_completed_timestamp_seconds"
log = logging.getLogger(__name__)


@contextmanager
def followed(run: Session) -> Iterator[None]:
    """The file is renewed while the block lasts; `write` with the outcome follows it."""
    _ = run.results  # made here, not in two threads at once
    ended = threading.Event()

    def follow() -> None:
        write(run, "running")
        signs = Signs(run.tables.storage, run.run_id)
        while not ended.wait(EVERY_S):
            write(run, "running")
            try:
                signs.give()
            except StorageError as error:  # who looks for us waits for a while
                log.warning("%s", error)

    following = threading.Thread(target=follow, name="metrics", daemon=True)
    following.start()
    try:
        yield
    finally:
        ended.set()
        following.join()


def write(run: Session, outcome: str) -> None:
    """Renew the file; one that cannot be written is no reason to end a run.

    outcome: one of OUTCOMES; `completed` with failed videos becomes `partial`.
    """
    storage = run.tables.storage
    if outcome == "completed" and run.results.counts.failed:
        outcome = "partial"
    try:
        last = last_completed_s(storage)
        if outcome in ("completed", "partial"):
            last[run.command] = datetime.now(UTC).timestamp()
        storage.write(FILE, exposition(run, outcome, last))
    except StorageError as error:
        log.warning("%s", error)


def last_completed_s(storage: Storage) -> dict[str, float]:
    """When a run of each command last came to its end, in Unix seconds, as the file has it."""
    if not storage.exists(FILE):
        return {}
    try:
        families = list(text_string_to_metric_families(storage.read(FILE).decode()))
    except ValueError:  # it is not ours, or damaged; the next one is whole again
        return {}
    samples = [sample for family in families for sample in family.samples if sample.name == LAST]
    return {sample.labels["command"]: sample.value for sample in samples}


def exposition(run: Session, outcome: str, last: Mapping[str, float]) -> bytes:
    """The run as it is now, in Prometheus' text format. last: as from `last_completed_s`.

    Every series has the label `out`, so that one node can collect several OUTs. Nothing is made for it: pools that the
    run has not needed are not there.
    """
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def gauge(name: str, words: str, value: float | None, **labels: str) -> None:
        if value is None:
            return
        labels = {"out": run.out, "command": run.command} | labels
        if name not in gauges:
            gauges[name] = Gauge(name, words, list(labels), namespace="reelscope", registry=registry)
        gauges[name].labels(**labels).set(value)

    made, counts = run.__dict__, run.results.counts
    found = run.catalog.found if run.source and "catalog" in made else None
    gauge("videos_found", "Videos of the source.", found)
    for state in ("done", "reused", "failed"):
        gauge("videos", "Videos by what came of them in this run.", len(getattr(counts, state)), state=state)
    for (stage, kind), number in Counter((item.stage, item.error_type) for item in tuple(counts.failures)).items():
        gauge("failures", "Failures of this run.", number, stage=stage, error_type=kind)
    for stage, seconds in tuple(counts.stage_seconds.items()):
        gauge("stage_cpu_seconds", "CPU seconds of what this run computed.", seconds, stage=stage)
    gauge("cache_saved_seconds", "CPU seconds that the result cache spared.", counts.cache_saved_s)
    gauge("gates_saved_seconds", "Seconds that the gates before OCR and speech spared.", counts.modelled.gates_saved_s)
    queues = made["backend"].waiting() if "backend" in made else {}
    for queue, videos in queues.items():
        gauge("queue_videos", "Videos that wait for a CPU process, or for a turn on the device.", videos, queue=queue)
    gauge("device_busy_ratio", "Share of the run's time in which its devices were at work.", run.device_busy_share())
    gauge("run_started_timestamp_seconds", "When the run began.", run.started_at.timestamp())
    gauge("run_updated_timestamp_seconds", "When this was written.", datetime.now(UTC).timestamp())
    for other in OUTCOMES:
        gauge("run_outcome", "1 for what the run is, or came to.", float(other == outcome), outcome=other)
    gauge("killed_runs", "Runs into this OUT that were killed.", float(run.ledger.killed))
    for command, seconds in last.items():
        words = "When a run of the command last came to its end, with or without failed videos."
        gauge(LAST.removeprefix("reelscope_"), words, seconds, command=command)
    return generate_latest(registry)
