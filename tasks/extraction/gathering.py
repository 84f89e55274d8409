"""One OCR engine for the readers of several videos: what they ask for meanwhile goes to it as one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrEngine, Quad, Strip


@dataclass
class _Request:
    """What one reader asks for, and what it gets."""

    seat: Seat
    kind: str  # detect or recognise
    items: Sequence[Any]
    results: list[Any] | None = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Gathering:
    """Readers, each in a thread of its own, take a seat; `serve` computes for them in the thread that calls it.

    A batch goes to the engine when it is as large as the engine wants, or when all readers wait: nobody waits for a
    batch that cannot grow. An error in a batch of several readers is asked again one by one, so that it is the error
    of the one who brought it.
    """

    def __init__(self, engine: OcrEngine) -> None:
        self._engine = engine
        self._wanted = {"detect": engine.full_frames, "recognise": engine.full_crops}
        self._work: dict[str, Callable[[Sequence[Any]], list[Any]]] = {
            "detect": engine.detect,
            "recognise": engine.recognise,
        }
        self._changed = threading.Condition()
        self._seats = 0
        self._waiting: list[_Request] = []

    def seat(self) -> Seat:
        with self._changed:
            self._seats += 1
        return Seat(self, self._engine)

    def leave(self) -> None:
        """A reader is done."""
        with self._changed:
            self._seats -= 1
            self._changed.notify_all()

    def ask(self, request: _Request) -> list[Any]:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
        request.done.wait()
        if request.error is not None:
            raise request.error
        assert request.results is not None
        return request.results

    def serve(self) -> None:
        """Until all seats are empty."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._waiting) == self._seats or self._full() is not None)
                if not self._seats:
                    return
                batch = self._take()
            self._answer(batch)

    def _full(self) -> str | None:
        """The kind of which there is enough for a batch."""
        for kind, wanted in self._wanted.items():
            if sum(len(request.items) for request in self._waiting if request.kind == kind) >= wanted:
                return kind
        return None

    def _take(self) -> list[_Request]:
        """The batch to do next: the kind that has enough, or else that of the reader who waits longest."""
        kind = self._full() or self._waiting[0].kind
        batch = [request for request in self._waiting if request.kind == kind]
        self._waiting = [request for request in self._waiting if request.kind != kind]
        return batch

    def _answer(self, batch: Sequence[_Request]) -> None:
        began_s, cpu_s = time.perf_counter(), time.thread_time()
        items = [item for request in batch for item in request.items]
        try:
            results = self._work[batch[0].kind](items)
        except Exception as error:
            if len(batch) > 1:
                for request in batch:
                    self._answer([request])
                return
            batch[0].error = error
            results = []
        wall_s, used_s = time.perf_counter() - began_s, time.thread_time() - cpu_s
        for request in batch:
            share = len(request.items) / len(items) if items else 1 / len(batch)
            request.seat.wall_s += wall_s * share
            request.seat.cpu_s += used_s * share
            request.results, results = results[: len(request.items)], results[len(request.items) :]
            request.done.set()


class Seat:
    """The engine as one reader sees it, and the time that it took for this reader."""

    def __init__(self, gathering: Gathering, engine: OcrEngine) -> None:
        self._gathering = gathering
        self.name, self.model = engine.name, engine.model
        self.batch_frames, self.full_frames, self.full_crops = (
            engine.batch_frames,
            engine.full_frames,
            engine.full_crops,
        )
        self.wall_s = self.cpu_s = 0.0

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        return self._gathering.ask(_Request(self, "detect", strips)) if strips else []

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        return self._gathering.ask(_Request(self, "recognise", crops)) if crops else []
