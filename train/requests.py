"""`start_model` -> jobs: each wish is resolved to tickers, kinds and a feature set, and filed once."""

import logging
from collections.abc import Callable
from typing import Protocol

from shared.contracts.training import MODEL_KINDS, StartModel
from shared.errors import PoisonMessageError, TransientError
from shared.ports import Position, Record
from shared.runtime.handler import Handled
from shared.storage.jobs import Filing, NewRun

_log = logging.getLogger(__name__)


class Rows(Protocol):
    """Knows of which tickers there are feature rows."""

    def feature_set(self, name: str | None) -> str | None:
        """Return the name of the feature set, the active one where none is given; None where there is no such set."""
        ...

    def active_tickers(self, feature_set: str) -> list[str]:
        """Return the active tickers that have rows, by name."""
        ...


class Jobs(Protocol):
    """Files runs."""

    def file(self, run: NewRun) -> Filing:
        """Make the run's jobs, all or none."""
        ...


class RequestHandler:
    """The run loop's view of training: a record's jobs are durable before its offset is committed.

    Args:
        jobs: Where they are filed.
        rows: What can be trained.
        topic_id: Kafka's id of the topic: with partition and offset it names a run that has no id of its own.
        report: Told, in one line, of a wish that nothing is done for because its run id was used.
    """

    flush_when_idle = True
    pending_rows = 0

    def __init__(self, jobs: Jobs, rows: Rows, topic_id: str, report: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._rows = rows
        self._topic_id = topic_id
        self._report = report

    def handle(self, record: Record) -> Handled:
        """File the jobs that a record asks for.

        Raises:
            PoisonMessageError: it is no wish that can be understood, or names a feature set that there is not.
            TransientError: PostgreSQL does not answer, or no feature set is active yet.
        """
        run = self._resolve(StartModel.decode(record.value), record.position)
        outcome = self._jobs.file(run)
        if outcome == "used":
            said = f"record {run.source} asks for run {run.run_id}, which was used before: nothing is done for it"
            _log.warning("%s", said)
            self._report(said)
        elif outcome == "filed":
            _log.info("run %s: %d tickers, %d kinds", run.run_id, len(run.tickers), len(run.kinds))
        return Handled(1)

    def flush(self) -> None:
        """Do nothing: `handle` leaves nothing open."""

    def discard(self) -> None:
        """Do nothing: `handle` leaves nothing open."""

    def _resolve(self, wish: StartModel, at: Position) -> NewRun:
        feature_set = self._rows.feature_set(wish.feature_set)
        if feature_set is None and wish.feature_set is None:
            raise TransientError("no feature set is active yet, so wishes wait. Run `python -m infra.provision`.")
        if feature_set is None:
            raise PoisonMessageError(f"there is no feature set {wish.feature_set!r}", "unknown_feature_set")
        source = f"{self._topic_id}-{at.partition}-{at.offset}"
        return NewRun(
            run_id=wish.run_id or source,
            source=source,
            tickers=wish.tickers or self._rows.active_tickers(feature_set),
            kinds=wish.kinds or MODEL_KINDS,
            feature_set=feature_set,
            reason=wish.reason,
            requested_at=wish.requested_at,
        )
