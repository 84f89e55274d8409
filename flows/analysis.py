"""Analysis: the templates that are there, clustered and summed up per niche, as tables and a report."""

from __future__ import annotations

from typing import Any

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

from flows.hooks import HOOKS
from flows.seeing import summarise
from flows.session import current, session
from tasks.analysis import summary
from tasks.settings import Settings


@flow(
    name="analysis",
    flow_run_name="analysis · {out}",
    task_runner=ThreadPoolTaskRunner(max_workers=2),  # type: ignore[arg-type]
    **HOOKS,
)
def analysis(out: str, settings: Settings | None = None, final: bool = True) -> Any:
    """Cluster the templates under `out`, and write the report.

    Args:
        out: Folder or URL with the tables of earlier runs.
        settings: What differs from the defaults; left out, the defaults and what the worker's environment says.
        final: Off, the report is left as it is; for passes while extraction goes on.
    """
    with session("analyze", None, out, settings) as run:
        clustered = cluster.submit()
        if final:
            report.submit(wait_for=[clustered]).result()  # type: ignore[call-overload]
        clustered.result()
        return summarise(run, "analysis") if final else None


@task(name="cluster", task_run_name="cluster")
def cluster() -> None:
    """Write `clusters` and `niches`, and put each template into its cluster."""
    run = current()
    summary.analyse(run.tables, run.before, run.settings.analysis, run.run_id, run.completeness())


@task(name="report", task_run_name="report")
def report() -> None:
    """Write OUT/report/index.html."""
    run = current()
    run.ledger.record("completed")
    summary.report(run.tables)
