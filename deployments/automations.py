"""Automations: what the server does by itself when a run ends badly, or does not end at all."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture

HEARTBEAT_S = 30  # Prefect's least; set for deployments in prefect.yaml, for other runs in flows/__init__.py
MISSED = 4  # heartbeats; one or two are lost when the server is started again
# Events carry the name of a state, not its type: a name that is missing here would have its runs declared dead.
ENDS = ("Completed", "PartiallyCompleted", "Cached", "RolledBack", "Failed", "TimedOut", "Crashed", "Cancelled")
WAITS = ("Paused", "Suspended", "AwaitingRetry", "Scheduled", "Late", "AwaitingConcurrencySlot", "Pending")
FLOW_RUN = {"prefect.resource.id": "prefect.flow-run.*"}
# other projects on the server have hearts of their own
OURS = {
    "prefect.resource.role": "flow",
    "prefect.resource.name": ["pipeline", "classification", "extraction", "analysis"],
}

SUBJECT = "reelscope: {{ flow_run.name }}: {{ flow_run.state.name }}"
BODY = """{{ flow.name }} {{ flow_run.name }} ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}
parameters: {{ flow_run.parameters }}
{{ flow_run|ui_url }}"""


def lost_runs() -> AutomationCore:
    """A run whose heart stops without an end was lost with its process or its worker: it crashed.

    As a run in a final state it gives its concurrency slots back, those of its pool and its deployment.
    """
    return AutomationCore(
        name="reelscope: crashed when its heartbeats stop",
        description=f"No heartbeat and no end for {HEARTBEAT_S * MISSED} s: the process or its worker is gone.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=FLOW_RUN,  # type: ignore[arg-type]
            match_related=OURS,  # type: ignore[arg-type]
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{name}" for name in (*ENDS, *WAITS))},
            threshold=1,
            within=timedelta(seconds=HEARTBEAT_S * MISSED),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="Its heartbeats stopped: the process or its worker is gone. What was finished is kept.",
            )
        ],
    )


def notification(block_id: UUID) -> AutomationCore:
    """A run of a deployment that failed, crashed or completed in part is told through a notification block."""
    return AutomationCore(
        name="reelscope: tell of failed, crashed and partial runs",
        description="Flows inside a flow are left out: the outermost run says it.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=FLOW_RUN,  # type: ignore[arg-type]
            match_related={"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.reelscope"},
            expect={f"prefect.flow-run.{name}" for name in ("Failed", "TimedOut", "Crashed", "PartiallyCompleted")},
            threshold=1,
            within=timedelta(0),
        ),
        actions=[SendNotification(block_document_id=block_id, subject=SUBJECT, body=BODY)],
    )
