"""Progress that people see: bars on a terminal, an artifact in the Prefect UI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import (
    Progress as RichProgress,
)

from tasks.wording import shown


class Progress:
    """Is told what goes on; this one keeps it to itself."""

    def begin(self, stage: str, total: int, at_work: Callable[[], float] = lambda: 0.0) -> None:
        """A stage of `total` videos begins; `at_work` gives the sum of the shares of the videos in hand."""

    def advance(self, stage: str, videos: int) -> None:
        """So many videos more are done with the stage."""

    def say(self, words: str) -> None:
        """One line about what is going on."""


class Bars(Progress):
    """A bar a stage, on stderr; plain lines where stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=not console.is_terminal,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, float] = {}
        self._at_work: dict[str, Callable[[], float]] = {}
        self._stopped = threading.Event()

    def __enter__(self) -> Bars:
        self._bars.start()
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._bars.stop()

    def begin(self, stage: str, total: int, at_work: Callable[[], float] = lambda: 0.0) -> None:
        if total and stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
            self._done[stage] = 0.0
            self._at_work[stage] = at_work

    def advance(self, stage: str, videos: int) -> None:
        if stage in self._tasks:
            self._done[stage] += videos
            self._show(stage)

    def say(self, words: str) -> None:
        self._bars.console.print(shown(words), highlight=False, markup=False, soft_wrap=True)

    def _follow(self) -> None:
        """Move the bars with the videos in hand: one of an hour is not a bar that stands still."""
        while not self._stopped.wait(0.5):
            for stage in list(self._tasks):
                self._show(stage)

    def _show(self, stage: str) -> None:
        self._bars.update(self._tasks[stage], completed=self._done[stage] + self._at_work[stage]())
