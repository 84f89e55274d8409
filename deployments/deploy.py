"""Pools, limits, deployments and automations on a Prefect server; run again, it brings what is there up to date.

    python deployments/deploy.py        (or `make deployments`, with the same variables)

PREFECT_API_URL  the server; or a Prefect profile that names it
SOURCE, OUT      parameters of the deployments (default data/samples and out, in this folder)
DEVICE_POOL      pool of what needs the device: cpu (default), or gpu where a GPU machine's worker serves that pool
CPU_RUNS         flow runs at once in the pool cpu, over all of its workers (default 2)
GPU_RUNS         flow runs at once in the pool gpu (default 1)
NOTIFY_URL       webhook that is told of failed, crashed and partial runs as JSON {"text": ...}
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from automations import lost_runs, notification
from prefect import get_client
from prefect.automations import AutomationCore
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.workers.process import ProcessWorker

ROOT = Path(__file__).resolve().parents[1]
POOLS = ("cpu", "gpu")


def main() -> int:
    if not PREFECT_API_URL.value():
        print("PREFECT_API_URL is not set: which server? See deployments/README.md.", file=sys.stderr)
        return 2
    device_pool = os.environ.get("DEVICE_POOL", "cpu")
    if device_pool not in POOLS:
        print(f"DEVICE_POOL={device_pool}: cpu or gpu", file=sys.stderr)
        return 2
    with get_client(sync_client=True) as client:
        set_pool(client, "cpu", "Everything that needs no GPU.", int(os.environ.get("CPU_RUNS", "2")))
        set_pool(client, "gpu", "What needs the device.", int(os.environ.get("GPU_RUNS", "1")))
        set_automation(client, lost_runs())
        if url := os.environ.get("NOTIFY_URL"):
            hook = CustomWebhookNotificationBlock(
                name="reelscope", url=url, json_data={"text": "{{subject}}\n{{body}}"}
            )
            set_automation(client, notification(hook.save("reelscope", overwrite=True)))  # type: ignore[arg-type]
    return deploy(device_pool)


def set_pool(client: SyncPrefectClient, name: str, description: str, runs: int) -> None:
    """A process pool with a limit; what was set in the UI besides stays."""
    try:
        client.read_work_pool(name)
        client.update_work_pool(name, WorkPoolUpdate(description=description, concurrency_limit=runs))
    except ObjectNotFound:
        pool = WorkPoolCreate(
            name=name,
            type="process",
            description=description,
            concurrency_limit=runs,
            base_job_template=ProcessWorker.get_default_base_job_template(),
        )
        client.create_work_pool(pool)
    print(f"pool {name}: {runs} flow run{'s' if runs != 1 else ''} at once")


def set_automation(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """The one automation of its name."""
    found = client.read_automations_by_name(automation.name)
    if found:
        client.update_automation(found[0].id, automation)
    else:
        client.create_automation(automation)
    print(f"automation {automation.name}")


def deploy(device_pool: str) -> int:
    """All deployments of prefect.yaml, by Prefect's own command; its exit code."""
    defaults = {"PROJECT_ROOT": str(ROOT), "SOURCE": "data/samples", "OUT": "out"}
    environment = defaults | os.environ | {"DEVICE_POOL": device_pool, "PYTHONPATH": str(ROOT)}
    file = ROOT / "deployments" / "prefect.yaml"
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(file), "--all"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    else:
        print(f"deployments on the pool {device_pool}; see {PREFECT_API_URL.value().removesuffix('/api')}/deployments")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
