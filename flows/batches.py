"""Batches: the unit of a task run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """A part of a sequence, as task parameters and run names show it."""

    number: int
    of: int
    video_ids: tuple[str, ...]

    def __str__(self) -> str:
        count = len(self.video_ids)
        return f"batch {self.number}/{self.of} · {count} video{'s' if count != 1 else ''}"


def batches(video_ids: Sequence[str], size: int) -> Iterator[Batch]:
    """Consecutive batches of at most `size` ids."""
    of = -(-len(video_ids) // size)
    for number in range(of):
        yield Batch(number + 1, of, tuple(video_ids[number * size : (number + 1) * size]))
