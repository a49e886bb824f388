"""How far the jobs of a ticker are, written to PostgreSQL as often as a person wants to look."""

import logging
from collections.abc import Sequence
from typing import Final

from shared.clock import Clock
from shared.errors import TransientError
from shared.storage.jobs import Job, Stage, TrainingJobs

_SECONDS: Final = 1.0
_LOADED: Final = 0.05
_TRAINED: Final = 0.95
_STAGES: Final[dict[str, Stage]] = {
    "label": "load",
    "evaluate": "folds",
    "fit": "fit",
    "convert": "convert",
    "parity": "parity",
    "bundle": "write",
}

_log = logging.getLogger(__name__)


class JobProgress:
    """A Progress that says of some jobs how far they are; no more than once a second within a stage.

    `seconds` is what each stage took so far. Progress is 5 % once the rows are loaded, 95 % once the bundle is made,
    100 % once the model is deployed.

    Args:
        jobs: Where it is written.
        clock: For the pace.
        of: The jobs that advance together.
    """

    def __init__(self, jobs: TrainingJobs, clock: Clock, of: Sequence[Job]) -> None:
        self._jobs = jobs
        self._clock = clock
        self._of = of
        self._stage: Stage | None = None
        self._at = float("-inf")
        self._since = clock.monotonic()
        self.seconds: dict[str, float] = {}

    def update(self, done: int, total: int | None, detail: str) -> None:
        """Take what modelling says: percent of a model, and its word for the stage."""
        share = done / total if total else 0.0
        self.tell(_STAGES.get(detail, "folds"), _LOADED + (_TRAINED - _LOADED) * share)

    def tell(self, stage: Stage, progress: float) -> None:
        """Say how far the jobs are, 0 to 1. PostgreSQL being away is no reason to stop working."""
        now = self._clock.monotonic()
        if self._stage is not None:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
        if stage == self._stage and now - self._at < _SECONDS:
            return
        self._stage, self._at = stage, now
        try:
            for job in self._of:
                self._jobs.report(job, stage, min(1.0, max(0.0, progress)))
        except TransientError as error:
            _log.warning("progress is not written: %s", error)
