"""`python -m shared.runtime.healthcheck`: whether the service in this container is well, by its heartbeat.

It runs every few seconds in every container, so it loads nothing but the standard library.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

OLDEST_SECONDS = 60.0
WELL = ("starting", "running", "paused")


def verdict(path: str | None, now: datetime) -> tuple[bool, str]:
    """Return whether the heartbeat in `path` is that of a service that is well at `now`, and why in one line."""
    if not path:
        return False, "HEARTBEAT_FILE is not set. Set it as for the service."
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
        state, detail, at = str(said["state"]), str(said["detail"]), datetime.fromisoformat(said["at"])
    except FileNotFoundError:
        return False, f"{path} is not there: the service has not started."
    except (OSError, ValueError, KeyError, TypeError) as error:
        return False, f"{path} is no heartbeat: {error}"
    age = (now - at).total_seconds()
    if age > OLDEST_SECONDS:
        return False, f"{state}, but the last beat is {age:.0f} s old. See the service's log; start it again."
    return state in WELL, f"{state}: {detail}" if detail else state


def main() -> int:
    """Say how the service is; return 0 where it is well, else 1."""
    well, text = verdict(os.environ.get("HEARTBEAT_FILE"), datetime.now(UTC))
    (sys.stdout if well else sys.stderr).write(f"{text}\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
