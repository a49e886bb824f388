"""Runs in PostgreSQL: what was declared and confirmed, what is done, and who waits for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed

RunState = Literal["declared", "done", "aborted", "superseded"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands.

    Attributes:
        run_id: Its id.
        run_set: A newer run of the same set supersedes this one.
        state: declared = in progress; done = every topic done; aborted, superseded = nothing waits for it any more.
        attempt: Of its producer.
        source: Where its data come from.
        simulated: Whether they are made up.
        topics: Topics that take part -> whether that topic is done (every confirmed offset is stored as read).
        rows: Rows confirmed of each topic.
        declared_at: When, by the producer's clock.
        finished_at: When it was done, aborted or superseded.
        reason: Why it was aborted or superseded.
    """

    run_id: str
    run_set: str
    state: RunState
    attempt: int
    source: str
    simulated: bool
    topics: Mapping[str, bool]
    rows: Mapping[str, int]
    declared_at: datetime
    finished_at: datetime | None
    reason: str | None


class RunsStore:
    """Applies the records of `runs` and tells when a run is done. Applying a record again changes nothing.

    Every method works in the caller's transaction.
    """

    def declare(self, connection: Connection, event: RunDeclared) -> list[str]:
        """Store a declaration; return the runs of the same set that it supersedes (they were in progress).

        A further attempt revives an aborted or superseded run; of a run that is done it changes nothing.
        """
        raise NotImplementedError

    def confirm(self, connection: Connection, event: TopicConfirmed, topic_id: str) -> bool:
        """Store the confirmed next offsets of a topic; return whether the run is known (declared).

        Args:
            connection: Of the caller's transaction.
            event: The confirmation.
            topic_id: Kafka's id of the topic, which the stored offsets are keyed by.
        """
        raise NotImplementedError

    def abort(self, connection: Connection, event: RunAborted) -> bool:
        """Give a run up; return whether it was in progress."""
        raise NotImplementedError

    def finish_if_done(self, connection: Connection, run_id: str) -> bool:
        """Lock the run's row, and if every topic is done, mark the run done; return whether that happened now.

        Call it after `OffsetStore.advance` in the same transaction. Of two members that finish at once, the second
        waits here for the first one's commit and then sees its offsets: exactly one of them gets True.
        """
        raise NotImplementedError

    def get(self, connection: Connection, run_id: str) -> Run | None:
        """Return a run; None where it was never declared."""
        raise NotImplementedError

    def in_progress(self, connection: Connection) -> list[Run]:
        """Return the runs that are declared and neither done nor given up, oldest first."""
        raise NotImplementedError

    def all(self, connection: Connection) -> list[Run]:
        """Return every run, newest first."""
        raise NotImplementedError
