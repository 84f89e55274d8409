"""What is said in a run's log when it ends in another way than people hope for: what happened, and what to do.

Prefect's engine calls hooks by position, its workers by name: flow, flow_run, state.
"""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import MissingResult
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger

from tasks.wording import shown

PARTIAL = "PartiallyCompleted"  # the name of the state of a run in which videos failed
GOES_ON = "What was finished is kept; the same run again goes on from there."


def on_completion(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A run in which videos failed is a warning; any other is no news."""
    if state.name != PARTIAL or flow_run.parent_task_run_id is not None:
        return
    try:
        figures = state.result(raise_on_failure=False)
    except MissingResult:  # it ended in a process that is gone
        figures = None
    told = f" (run {figures['run_id']})" if isinstance(figures, dict) else ""
    retry = f"`reelscope retry --out {_out(flow_run)}` tries those alone."
    flow_run_logger(flow_run, flow).warning(
        "%s%s into %s; their advice is in the failures. %s", shown(str(state.message)), told, _out(flow_run), retry
    )


def on_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A run that could not do its work at all."""
    if flow_run.parent_task_run_id is None:
        _say(flow, flow_run, f"failed: {state.message}", advice_of(state))


def on_crashed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A run whose process was lost. The worker says this; a run whose worker is lost too ends by automation."""
    if flow_run.parent_task_run_id is None:
        _say(flow, flow_run, f"crashed: {state.message}", GOES_ON)


def on_cancellation(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A run that someone has stopped."""
    if flow_run.parent_task_run_id is None:
        _say(flow, flow_run, "cancelled", GOES_ON)


#: For `@flow(**HOOKS)`.
HOOKS: dict[str, Any] = {
    "on_completion": [on_completion],
    "on_failure": [on_failure],
    "on_crashed": [on_crashed],
    "on_cancellation": [on_cancellation],
}


def advice_of(state: State[Any]) -> str:
    """The advice that an error of ours carries; for another, what holds always."""
    try:
        error = state.result(raise_on_failure=False)
    except MissingResult:
        error = None
    return str(getattr(error, "advice", GOES_ON))


def _say(flow: Flow[..., Any], flow_run: FlowRun, what: str, advice: str) -> None:
    told = (flow_run.name, _out(flow_run), what, advice)
    flow_run_logger(flow_run, flow).error("%s into %s %s. %s", *map(shown, told))


def _out(flow_run: FlowRun) -> str:
    return shown(str(flow_run.parameters.get("out")))
