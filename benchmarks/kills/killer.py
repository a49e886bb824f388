"""Kills the processes of a demo while it runs, and notes how long each one takes to come back."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.kills.demo import Demo
from benchmarks.kills.plan import STAGES, Kill
from benchmarks.kills.progress import StageProgress

LOOK_SECONDS = 0.02


@dataclass
class Killed:
    """A kill that was done: in which stage, when (seconds from the demo's begin), whom, and when it was back."""

    process: str
    stage: str
    at: float
    pid: int
    back: float | None = None


@dataclass
class Killer:
    """Does the kills of a plan. One whose stage is over before its point is done at once, in the next stage.

    Args:
        demo: Whose processes are killed.
        progress: How far it is.
        kills: The plan.
    """

    demo: Demo
    progress: StageProgress
    kills: Sequence[Kill]
    done: list[Killed] = field(default_factory=list)
    missed: list[Kill] = field(default_factory=list)

    def run(self) -> None:
        """Go on until the demo ends."""
        begun = time.monotonic()
        left = list(self.kills)
        while self.demo.runs:
            stage, now = self.demo.stage, time.monotonic() - begun
            for kill in list(left):
                if self._is_due(kill, stage) and self._kill(kill, stage, now):
                    left.remove(kill)
            self._look_who_is_back(now)
            time.sleep(LOOK_SECONDS)
        self._look_who_is_back(time.monotonic() - begun)
        self.missed = left

    def _is_due(self, kill: Kill, stage: str) -> bool:
        late = STAGES.index(stage) - STAGES.index(kill.stage)
        return late > 0 or (late == 0 and self._share(kill.process) >= kill.share and self.demo.at_work(kill.process))

    def _share(self, process: str) -> float:
        kind = process.removeprefix("producers-")
        return self.progress.share(self.demo.stage) if kind == process else self.progress.of_producer(kind)

    def _kill(self, kill: Kill, stage: str, at: float) -> bool:
        """Kill the process if it runs, and has been back since its last kill."""
        if any(one.process == kill.process and one.back is None for one in self.done):
            return False
        pid = self.demo.pid(kill.process)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        self.done.append(Killed(kill.process, stage, at, pid))
        return True

    def _look_who_is_back(self, now: float) -> None:
        for one in self.done:
            if one.back is None and self.demo.pid(one.process) not in (None, one.pid):
                one.back = now
