"""The loop of training: hands free jobs to workers within the budget, accounts for what dies, settles finished runs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.clock import Clock
from shared.errors import TransientError
from shared.runtime.meter import count_error
from shared.storage.deployments import Deployments
from shared.storage.jobs import Job, LostLeaseError, TrainingJobs, Waiting
from shared.storage.trainable import TrainableRows
from train.budget import Budget, estimate_mib
from train.link import Work
from train.pool import Death, WorkerPool
from train.verdicts import judge_metrics

_PAUSE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where jobs come from and runs end."""

    jobs: TrainingJobs
    deployments: Deployments
    trainable: TrainableRows


class Coordinator:
    """Keeps the workers busy.

    Args:
        stores: PostgreSQL.
        pool: The workers.
        budget: How much may run at a time.
        lease: For how long a claim holds unless its worker renews it.
        worker: Our name in the jobs that we claim.
        clock: For the pace.
    """

    def __init__(
        self, stores: Stores, pool: WorkerPool, budget: Budget, lease: timedelta, worker: str, clock: Clock
    ) -> None:
        self._stores = stores
        self._pool = pool
        self._budget = budget
        self._lease = lease
        self._worker = worker
        self._clock = clock
        self._sizes: dict[tuple[str, str], tuple[int, int]] = {}
        self._unspoken: list[Death] = []
        self.counters: dict[str, int | float] = dict.fromkeys(("claimed", "deaths", "settled"), 0)

    def run(self, stopping: Callable[[], bool], poll_seconds: float, beat: Callable[[str], None]) -> None:
        """Work until stopped, then give back what is not through. `beat` hears what keeps us from working, or ''."""
        self._pool.warm()
        try:
            while not stopping():
                self._unspoken += self._pool.wait(poll_seconds)
                try:
                    self.step()
                except TransientError as error:
                    _log.warning("%s", error)
                    count_error(error)
                    beat(str(error))
                    self._unspoken += self._pool.wait(_PAUSE_SECONDS)
                else:
                    beat("")
        finally:
            self._give_back()

    def step(self) -> None:
        """Do what can be done now without waiting.

        Raises:
            TransientError: PostgreSQL does not answer; what was not done is done next time.
        """
        while self._unspoken:
            self._account(self._unspoken[0])
            self._unspoken.pop(0)
        for run_id in self._stores.deployments.unsettled():
            models = self._stores.deployments.settle(run_id, judge_metrics)
            if models is not None:
                self.counters["settled"] += 1
                _log.info("run %s is complete: %d models, their verdicts are final", run_id, len(models))
        if self._budget.workers > len(self._pool.running):
            self._start_what_fits()

    @property
    def busy(self) -> int:
        """Return how many workers work."""
        return len(self._pool.running)

    def _start_what_fits(self) -> None:
        """Start tickers in their order; one that does not fit beside those that run lets smaller ones pass."""
        ours = self._pool.at_work  # leases that could not be renewed run out while their worker goes on
        found = [one for one in self._stores.jobs.waiting() if (one.run_id, one.ticker) not in ours]
        self._pool.grow(min(self._budget.workers, len(self._pool.running) + len(found)))
        for place, waiting in enumerate(found):
            if not self._pool.ready:
                return
            size = self._size(waiting)
            if not self._budget.admits(self._pool.running, estimate_mib(*size)):
                continue
            jobs = self._stores.jobs.claim(waiting.run_id, waiting.ticker, self._worker, self._lease)
            if jobs:
                self.counters["claimed"] += len(jobs)
                cores = self._idle_cores(len(found) - place)
                share = self._budget.share(self._pool.running, size, len(jobs), cores)
                self._pool.start(Work(jobs, share.at_once, share.threads), share.mib, cores)

    def _idle_cores(self, tickers: int) -> int:
        """Return how many cores the next of so many tickers gets: those that no other ticker would use."""
        return max(1, (self._budget.workers - self._pool.cores) // tickers)

    def _size(self, waiting: Waiting) -> tuple[int, int]:
        """Return how many rows and features a ticker has; asked once a ticker and run."""
        key = (waiting.run_id, waiting.ticker)
        if key not in self._sizes:
            if len(self._sizes) > 10_000:
                self._sizes.clear()
            rows = self._stores.trainable.count(waiting.ticker, waiting.feature_set)
            self._sizes[key] = rows, len(self._stores.trainable.features(waiting.feature_set))
        return self._sizes[key]

    def _account(self, death: Death) -> None:
        self.counters["deaths"] += 1
        if not death.jobs:
            _log.error("%s, before it began to work; the next one is started after a while", death.reason)
        for job in death.jobs:
            try:
                state = self._stores.jobs.fail(job, death.reason, retry=True)
                _log.error("%s %s: %s; the job is %s", job.ticker, job.kind, death.reason, state)
            except LostLeaseError:
                continue  # it was through, or is another's by now

    def _give_back(self) -> None:
        left: list[Job] = self._pool.close()
        left += [job for death in self._unspoken for job in death.jobs]
        try:
            self._stores.jobs.release(left)
        except TransientError as error:
            _log.warning("jobs are not given back, their leases will run out: %s", error)
