"""One process under supervision: a small state machine that is moved on by ticks and never blocks for long."""

import time
from dataclasses import dataclass

from infra.embedded.logs import last_line
from infra.embedded.restarts import Backoff, is_restarted
from infra.embedded.state import Kind, UnitState
from infra.embedded.unit import Unit

# How long a service may run without a heartbeat before it counts as started all the same.
HEARTBEAT_PATIENCE_SECONDS = 15.0
CALM_SECONDS = 5.0
BUSY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two times that a tick needs: `wall` in seconds since the epoch, `steady` in seconds that never go back."""

    wall: float
    steady: float

    @classmethod
    def now(cls) -> "Clocks":
        """Return the times of this moment."""
        return cls(time.time(), time.monotonic())


class Supervised:
    """A unit, what is known of it, and when it is to be touched next.

    Args:
        unit: The process.
        kind: What it is: servers are always restarted, jobs never, services when they crashed.
        backoff: The waiting times between restarts.
    """

    def __init__(self, unit: Unit, kind: Kind, backoff: Backoff | None = None) -> None:
        self.unit = unit
        self.state = UnitState(unit.name, kind, port=unit.port)
        self.ever_healthy = False
        self._backoff = backoff or Backoff()
        self._started = 0.0
        self._due = 0.0
        self._start_again = False

    @property
    def crashes(self) -> int:
        """Return how often in a row it ended soon after its start."""
        return self.state.crashes

    @property
    def settled(self) -> bool:
        """Tell whether nothing is expected of it for now: it runs, or has ended for good."""
        return self.state.phase in {"running", "finished", "failed", "stopped"}

    def start(self, now: Clocks) -> None:
        """Start the process."""
        try:
            self.state.process = self.unit.start()
        except OSError as error:
            self._fail(f"could not be started: {error}")
            return
        self.state.phase = "starting"
        self.state.started_at = now.wall
        self._started = now.steady

    def restart(self, now: Clocks) -> None:
        """Stop the process where it runs, and start it again as soon as it is gone."""
        self.state.crashes = 0
        if self.unit.pid is None:
            self.start(now)
            return
        self.unit.ask_to_stop()
        self.state.phase = "stopping"
        self._start_again = True
        self._due = now.steady + self.unit.grace_seconds

    def tick(self, now: Clocks) -> bool:
        """Look at the process and do what is due; tell whether anything changed."""
        before = (self.state.phase, self.state.process)
        code = self.unit.poll()
        if self.state.phase in {"starting", "running", "stopping"} and code is not None:
            self._ended(code, now)
        elif self.state.phase == "starting":
            self._look_for_health(now)
        elif self.state.phase == "stopping" and now.steady > self._due:
            self.state.killed = True
            self.unit.kill()
        elif self.state.phase == "restarting" and now.steady >= self._due:
            self.state.restarts += 1
            self.start(now)
        return before != (self.state.phase, self.state.process)

    def wait_seconds(self, now: Clocks) -> float:
        """Return after how many seconds the next tick is worth while."""
        if self.state.phase in {"starting", "stopping"}:
            return BUSY_SECONDS
        return max(0.0, self._due - now.steady) if self.state.phase == "restarting" else CALM_SECONDS

    def stop(self) -> None:
        """Stop the process for good, and wait for it."""
        if self.unit.pid is not None:
            self.state.killed = not self.unit.stop()
            self.state.last_exit = self.unit.poll()
        if self.state.phase not in {"finished", "failed"}:
            self.state.phase = "stopped"
        self.state.process = None

    def _look_for_health(self, now: Clocks) -> None:
        waited = now.steady - self._started
        patient = self.state.kind == "service" and waited > HEARTBEAT_PATIENCE_SECONDS
        if self.state.kind != "job" and (patient or self.unit.healthy()):
            self.state.phase = "running"
            self.ever_healthy = True
        elif self.state.kind == "server" and waited > self.unit.healthy_within_seconds:
            self.unit.kill()

    def _ended(self, code: int, now: Clocks) -> None:
        self.state.last_exit, self.state.last_line = code, last_line(self.unit.log)
        self.state.process = None
        if self._start_again:
            self._start_again = False
            self.start(now)
        elif self.state.kind == "job" or not is_restarted(self.state.kind, code):
            self.state.phase = "finished" if code == 0 else "failed"
        else:
            self.state.crashes = self._backoff.crashes_in_a_row(self.crashes, now.steady - self._started)
            self._due = now.steady + self._backoff.delay(self.crashes)
            self.state.phase = "restarting"

    def _fail(self, why: str) -> None:
        self.state.phase, self.state.last_line, self.state.process = "failed", why, None
