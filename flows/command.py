"""Carrying out a command: a session, a server to talk to, the flow, and the table at its end."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.forecast import minutes, off_by
from flows.niches import check
from flows.progress import Bars
from flows.server import EmbeddedServer, configured_server, prefect_api
from flows.session import Session, use
from tasks.errors import UsageError
from tasks.settings import Settings
from tasks.sources.catalog import Catalog
from tasks.storage import Storage
from tasks.wording import OneLine, shown

INTERRUPTED = 130
FAILURES_SHOWN = 50  # lines on the terminal; the table of failures has all
PATIENCE_S = 3.0  # for a flow to end by itself after Ctrl-C
_ending = threading.Lock()


def existing(out: str) -> str:
    """An OUT that an earlier run has made. Raises UsageError."""
    if not Storage(out, read_only=True).names("videos", ".parquet"):
        raise UsageError(f"{out}: no tables of reelscope here; `reelscope run SOURCE --out {out}` makes them")
    return out


def carry_out(
    command: str,
    source: str | None,
    out: str,
    settings: Settings,
    limit: int | None,
    as_json: bool,
    strict: bool,
    catalog: Catalog | None = None,
    prune: bool = False,
) -> int:
    """Run a command from its options to its last line; gives the exit code. catalog: what to do in place of the source's."""
    # the command line says itself what matters; what was set by hand stays
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    screen = Console(stderr=True)
    printed = logging.StreamHandler(sys.stderr)
    printed.setFormatter(OneLine("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[printed])
    opened = Session(command, source, out, settings, limit, prune)
    if catalog is not None:
        opened.catalog = catalog
    server: EmbeddedServer | None = None

    def start_server() -> None:
        nonlocal server
        if server is None and not configured_server():
            server = EmbeddedServer()

    def stop_anyway() -> None:
        time.sleep(PATIENCE_S)
        end_interrupted(opened, server, screen)

    def interrupt(*_: Any) -> None:
        # Prefect drops the interrupt where it comes at the very end of a flow; then the run is ended from here
        threading.Thread(target=stop_anyway, daemon=True).start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    opened.on_work = start_server  # it takes seconds to start, in which files are hashed and the first videos begun
    try:
        with ExitStack() as stack:
            opened.progress = stack.enter_context(Bars(screen))
            stack.callback(opened.close)
            prepare(opened)
            stack.enter_context(use(opened))
            if not os.environ.get("PREFECT_API_URL") and opened.nothing_to_do():
                # no flow is run, and no server waited for
                if command == "classify":
                    opened.ledger.note_catalog()
                    opened.ledger.note_niches()
                else:
                    opened.ledger.note_plan()
            else:
                start_server()
                stack.enter_context(prefect_api(server))
                if server is None:
                    log_there()
                flow_of(opened)
    except KeyboardInterrupt:
        end_interrupted(opened, server, screen)
    finally:
        if server:
            server.stop()
    from flows.figures import figures_of

    figures = figures_of(opened)
    if as_json:
        print(json.dumps(figures, indent=1))
    else:
        show(figures, Console())
    lost = any(failure["stage"] != "metadata" for failure in figures["failures"])  # a whole video, or a stage of one
    return 1 if strict and lost else 0


def end_interrupted(run: Session, server: EmbeddedServer | None, screen: Console) -> None:
    """End the process now: threads that still wait for a flow are of no more use. What was finished is in the cache."""
    with _ending:
        run.close()
        if "tables" in run.__dict__:
            run.ledger.end("interrupted")
        words = f"Stopped. What was finished is kept in {run.out}; the same command goes on from there."
        screen.print(shown(words), soft_wrap=True, highlight=False, markup=False)
        if server:
            server.stop()
        os._exit(INTERRUPTED)


def prepare(run: Session) -> None:
    """What needs no server, done while none is there: the catalog, the engines, the plan and the first videos."""
    if run.source is None:
        return
    run.progress.say(f"{len(run.catalog.videos)} videos in {run.source}")
    if run.command != "extract":
        check(run.settings)  # a bad file is said before work starts
    run.cache.check()
    if run.gone.video_ids:
        run.progress.say(f"{len(run.gone.video_ids)} pruned: no longer in {run.source}")
    if run.command == "classify":
        return
    for choice in (run.ocr, run.speech):
        if choice.note:
            run.progress.say(choice.note)
    plan = run.plan
    _ = run.forecast
    about = f"; about {minutes(run.forecast_s)}, going by past runs" if run.forecast_s else ""
    engines = f"text: {run.ocr.engine}, speech: {run.speech.engine}"
    run.progress.say(f"{len(plan.todo)} to do, {len(plan.unchanged)} unchanged; {engines}{about}")


def log_there() -> None:
    """A server that stays keeps the logs of runs, which this terminal is spared."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        # in the environment: Prefect sets levels anew as often as it looks at its settings
        os.environ.setdefault(f"PREFECT_LOGGING_LOGGERS_{name.replace('.', '_').upper()}_LEVEL", "INFO")
        logging.getLogger(name).propagate = False


def flow_of(run: Session) -> Any:
    """Run the flow of the session's command."""
    if run.command == "analyze":
        from flows.analysis import analysis

        return analysis(run.out, run.settings)
    assert run.source is not None
    if run.command == "classify":
        from flows.classification import classification as chosen
    elif run.command == "extract":
        from flows.extraction import extraction as chosen
    else:
        from flows.pipeline import pipeline as chosen
    return chosen(run.source, run.out, run.settings, run.limit, run.prune)


def show(figures: dict[str, Any], console: Console) -> None:
    """The table that ends a run."""
    table = Table(title=f"{figures['command']} {figures['run_id']}")
    for heading in ("videos", "done", "reused", "failed"):
        table.add_column(heading, justify="right")
    table.add_row(*(str(figures[name]) for name in ("videos", "done", "reused", "failed")))
    console.print(table)
    if figures["stage_seconds"]:
        stages = Table("stage", "CPU s", "share", title="where the time went")
        total = sum(figures["stage_seconds"].values())
        for stage, seconds in sorted(figures["stage_seconds"].items(), key=lambda item: -item[1]):
            stages.add_row(stage, f"{seconds:.1f}", f"{seconds / total:.0%}" if total else "")
        console.print(stages)
    if figures["model_s_per_video_hour"] is not None:
        words = f"{figures['model_s_per_video_hour']:.0f} s of OCR and speech for an hour of video"
        if figures["device_busy_share"] is not None:
            words += f"; the device was busy {figures['device_busy_share']:.0%} of the time"
        console.print(f"{words}; gates saved {figures['gates_saved_s']:.0f} s", highlight=False)
    failures = figures["failures"]
    for failure in failures[:FAILURES_SHOWN]:
        console.print(
            f"failed  {failure['stage']}: {shown(failure['message'])}\n        {shown(failure['advice'])}",
            highlight=False,
            markup=False,
        )
    if len(failures) > FAILURES_SHOWN:
        console.print(f"{len(failures) - FAILURES_SHOWN:,} more failures are in the table of failures", highlight=False)
    if told := off_by(figures["forecast_s"], figures["took_s"]):
        console.print(told, highlight=False)
    if figures["pruned"]:
        told = shown(f"{figures['pruned']} pruned: no longer in {figures['source']}")
        console.print(told, highlight=False, soft_wrap=True, markup=False)
    if figures["reused"] == figures["videos"] and figures["videos"]:
        console.print("Everything was reused; nothing was computed.")
    if figures["report"]:
        console.print(shown(f"report  {figures['report']}"), highlight=False, soft_wrap=True, markup=False)
