"""What happens in which order, and where it runs: Prefect flows over the work that tasks/ does."""

import os

# Read by Prefect when it is imported, which is why they are set here and not later. What the user has set stays.
_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # a fresh home migrates its database first, which takes more than the 20 seconds that Prefect allows
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # a server with our automation takes a run for lost that has missed four of them; Prefect's own default is 180 s
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)
