"""The embedded Prefect server's process: `python -m flows.embedded PORT PARENT_PID`."""

from __future__ import annotations

import os
import sys
import threading
import time


def follow(parent_pid: int) -> None:
    """End when the run ends, however it ends."""
    while os.getppid() == parent_pid:
        time.sleep(0.5)
    os._exit(0)


def main() -> None:
    port, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=follow, args=(parent_pid,), daemon=True).start()
    # what only a server for deployments needs stays off; the rest is what Prefect's own temporary server sets
    os.environ |= {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    }
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main()
