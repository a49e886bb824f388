"""A worker process: trains what it is handed, renews its leases meanwhile, and ends when its parent does."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Final

from shared.clock import SystemClock
from shared.errors import TransientError
from shared.runtime import failpoints
from shared.runtime.log import configure_logging
from shared.storage.deployments import Deployments
from shared.storage.feature_reader import FeatureReader
from shared.storage.jobs import Job, TrainingJobs
from shared.storage.postgres import make_engine
from shared.storage.trainable import TrainableRows
from train.link import ALIVE, READY, Outcome, Work, WorkerSettings
from train.trainer import Stores, TickerTrainer

_ORPHANED: Final = 1
_RENEWALS: Final = 3
"""Renewals within the time of one lease."""

_log = logging.getLogger(__name__)


def work(settings: WorkerSettings, parent: Connection, name: str) -> None:
    """Train the jobs that come through `parent`, a ticker's at a time, until it is closed.

    What it says: READY whenever it waits for work, the first time once everything is imported and open, so that no
    lease runs meanwhile; ALIVE about three times a lease; an Outcome for each attempt.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when we end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    failpoints.configure(settings.runtime.tickerstream_failpoints)
    configure_logging(name, settings.runtime.log_level, settings.runtime.log_format)
    with ExitStack() as resources:
        engine = make_engine(settings.postgres)
        resources.callback(engine.dispose)
        jobs = TrainingJobs(engine)
        stores = Stores(jobs, Deployments(engine), FeatureReader(engine), TrainableRows(engine))
        renewal = resources.enter_context(_Renewal(jobs, settings.lease, parent))
        trainer = TickerTrainer(stores, settings.models, settings.seed, SystemClock(), renewal.say)
        renewal.say(READY)
        while (taken := _next(parent)) is not None:
            renewal.of = taken.jobs
            trainer.train(taken)
            renewal.of = ()
            renewal.say(READY)


def _next(parent: Connection) -> Work | None:
    try:
        taken: Work = parent.recv()
    except EOFError:
        return None
    return taken


def _end_with_parent() -> None:
    """End at once when the service is gone: whoever is started in its place goes on when the lease has run out."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(_ORPHANED)


class _Renewal:
    """Prolongs the leases of the jobs at hand and tells the parent that we live, in a thread."""

    def __init__(self, jobs: TrainingJobs, lease: timedelta, parent: Connection) -> None:
        self.of: Sequence[Job] = ()
        self._jobs = jobs
        self._lease = lease
        self._parent = parent
        self._speaking = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def say(self, word: str | Outcome) -> None:
        """Tell the parent; one that is gone needs no telling."""
        with self._speaking:
            try:
                self._parent.send(word)
            except (BrokenPipeError, ConnectionResetError):
                _log.warning("the parent is gone")

    def __enter__(self) -> "_Renewal":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._lease.total_seconds() / _RENEWALS):
            held = self.of
            try:
                if held:
                    self._jobs.renew(held, self._lease)
            except TransientError as error:
                _log.warning("leases are not renewed: %s", error)
            self.say(ALIVE)
