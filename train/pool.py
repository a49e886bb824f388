"""The worker processes: started when needed, watched, ended when idle, silent or no longer wanted."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from shared.settings import RuntimeSettings
from shared.storage.jobs import Job
from train.link import READY, Outcome, Work, WorkerSettings, begin

# Libraries that take seconds to import and start no threads; the server that forks the workers has them in memory.
_PRELOADED: Final = (
    *("sklearn.ensemble", "lightgbm", "onnx", "scipy.stats", "sqlalchemy", "psycopg2"),
    *("exchange_calendars", "pydantic_settings", "sklearnex.ensemble", "talib", "tenacity"),
)
_END_SECONDS: Final = 10.0
_SILENT_LEASES: Final = 2.0
_START_SECONDS: Final = 300.0
_REST_SECONDS: Final = (1.0, 60.0)
"""How long no worker is started after one died before it could work, the first time and at most."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Worker:
    """One process. `jobs` is its work, `mib` and `cores` its share of the budget, times are monotonic seconds."""

    process: BaseProcess
    link: Connection
    ready: bool = False
    jobs: Sequence[Job] = ()
    mib: float = 0.0
    cores: int = 1
    heard: float = field(default_factory=time.monotonic)
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def busy(self) -> bool:
        """Return whether it works."""
        return bool(self.jobs)


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that ended in the middle of its work, or (without jobs) before it could begin any, and how."""

    jobs: Sequence[Job]
    reason: str


class WorkerPool:
    """Worker processes forked from a small server, so that none inherits a thread or a connection of ours.

    A failpoint acts once: only the first worker gets those that the environment names.

    Args:
        settings: What each worker is told.
        name: Name of the service in the log.
        idle_seconds: A worker without work ends after so long.
        told: Hears what workers say of their attempts.
    """

    def __init__(
        self, settings: WorkerSettings, name: str, idle_seconds: float, told: Callable[[Outcome], None]
    ) -> None:
        self._settings = settings
        self._name = name
        self._idle_seconds = idle_seconds
        self._told = told
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_PRELOADED))
        self._workers: list[Worker] = []
        self._started = 0
        self._rest = 0.0
        self._rested_at = 0.0

    @property
    def running(self) -> list[float]:
        """Return the memory share of each busy worker, in MiB."""
        return [worker.mib for worker in self._workers if worker.busy]

    @property
    def at_work(self) -> set[tuple[str, str]]:
        """Return run and ticker of each busy worker."""
        return {(job.run_id, job.ticker) for worker in self._workers for job in worker.jobs}

    @property
    def cores(self) -> int:
        """Return how many cores the busy workers use."""
        return sum(worker.cores for worker in self._workers if worker.busy)

    @property
    def size(self) -> int:
        """Return how many workers there are."""
        return len(self._workers)

    @property
    def ready(self) -> int:
        """Return how many workers wait for work."""
        return sum(worker.ready for worker in self._workers)

    def warm(self) -> None:
        """Start the server that workers are forked from, so that libraries are imported before there is any work."""
        forkserver.ensure_running()

    def grow(self, wanted: int) -> None:
        """Start workers until there are `wanted`; each is ready once it has imported what it needs."""
        while len(self._workers) < wanted and time.monotonic() >= self._rested_at:
            self._fork()

    def start(self, work: Work, mib: float, cores: int) -> None:
        """Hand a ticker's jobs to a worker that is ready, with its share of memory and cores."""
        worker = next(worker for worker in self._workers if worker.ready)
        worker.ready, worker.jobs, worker.mib, worker.cores = False, work.jobs, mib, cores
        worker.heard = time.monotonic()
        try:
            worker.link.send(work)
        except (BrokenPipeError, ConnectionResetError):
            _log.warning("%s is gone before it began", worker.process.name)  # `wait` tells of its death

    def wait(self, seconds: float) -> list[Death]:
        """Wait until a worker is through or dies, or for `seconds`; return who died at work, or before any."""
        links = {worker.link: worker for worker in self._workers}
        sentinels = [worker.process.sentinel for worker in self._workers]
        for ready in wait([*links, *sentinels], timeout=seconds):
            if isinstance(ready, Connection) and (worker := links.get(ready)):
                _listen(worker, self._told)
                self._rest = 0.0 if worker.ready else self._rest
        over = [worker for worker in self._workers if self._is_over(worker)]
        deaths = [self._bury(worker) for worker in over if not worker.ready]
        for worker in over:
            if worker.ready:
                self._bury(worker)  # it had nothing to do
        if any(not death.jobs for death in deaths):
            first, most = _REST_SECONDS
            self._rest = min(most, 2 * self._rest or first)
            self._rested_at = time.monotonic() + self._rest
        return deaths

    def close(self) -> list[Job]:
        """Kill every worker; return the jobs that they worked on."""
        at_work = [job for worker in self._workers for job in worker.jobs]
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join(_END_SECONDS)
            worker.link.close()
        self._workers.clear()
        return at_work

    def _fork(self) -> None:
        settings = self._settings
        if self._started:
            spared = RuntimeSettings.model_copy(settings.runtime, update={"tickerstream_failpoints": ""})
            settings = replace(settings, runtime=spared)
        self._started += 1
        name = f"{self._name}.worker-{self._started}"
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=begin, args=(settings, theirs, name), name=name, daemon=True)
        process.start()
        theirs.close()
        self._workers.append(Worker(process, ours))

    def _is_over(self, worker: Worker) -> bool:
        now = time.monotonic()
        patience = _SILENT_LEASES * self._settings.lease.total_seconds() if worker.busy else _START_SECONDS
        if not worker.ready and now - worker.heard > patience:
            _log.error("%s says nothing any more: killed", worker.process.name)
            worker.process.kill()
            worker.process.join(_END_SECONDS)
        if worker.ready and now - worker.idle_since > self._idle_seconds:
            return True
        return not worker.process.is_alive()

    def _bury(self, worker: Worker) -> Death:
        worker.link.close()  # an idle one ends by itself when its link is closed
        worker.process.join(_END_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_END_SECONDS)
        self._workers.remove(worker)
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return Death(worker.jobs, f"the worker process died ({how}); if it was signal 9, memory may have run out")


def _listen(worker: Worker, told: Callable[[Outcome], None]) -> None:
    """Take what a worker has said."""
    try:
        while worker.link.poll():
            word = worker.link.recv()
            worker.heard = time.monotonic()
            if isinstance(word, Outcome):
                told(word)
            elif word == READY:
                worker.ready, worker.jobs, worker.mib = True, (), 0.0
                worker.idle_since = worker.heard
    except (EOFError, ConnectionResetError):
        return  # it ended: its sentinel tells
