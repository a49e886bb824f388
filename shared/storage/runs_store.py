"""Runs in PostgreSQL: what was declared and confirmed, what is done, and who waits for what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, text

from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed

RunState = Literal["declared", "done", "aborted", "superseded"]

_DECLARE: Final = text(
    """
    INSERT INTO runs (run_id, run_set, state, attempt, topics, source, simulated, settings, declared_at)
    VALUES (:run_id, :run_set, 'declared', :attempt, :topics, :source, :simulated, CAST(:settings AS jsonb), :at)
    ON CONFLICT (run_id) DO UPDATE SET
        sequence = excluded.sequence, run_set = excluded.run_set, state = 'declared', attempt = excluded.attempt,
        topics = excluded.topics, declared_at = excluded.declared_at, finished_at = NULL, reason = NULL
    WHERE runs.attempt < excluded.attempt AND runs.state <> 'done'
    RETURNING sequence
    """
)
_SUPERSEDE: Final = text(
    """
    UPDATE runs SET state = 'superseded', finished_at = now(), reason = 'run ' || :run_id || ' of the same set is newer'
    WHERE run_set = :run_set AND run_id <> :run_id AND state = 'declared' AND sequence < :sequence RETURNING run_id
    """
)
_CONFIRM: Final = text(
    """
    INSERT INTO run_topics (run_id, topic, topic_id, attempt, partitions, rejected, duplicates, confirmed_at)
    VALUES (:run_id, :topic, :topic_id, :attempt, CAST(:partitions AS jsonb), :rejected, :duplicates, :at)
    ON CONFLICT (run_id, topic) DO UPDATE SET
        topic_id = excluded.topic_id, attempt = excluded.attempt, partitions = excluded.partitions,
        rejected = excluded.rejected, duplicates = excluded.duplicates, confirmed_at = excluded.confirmed_at
    WHERE run_topics.attempt <= excluded.attempt
    """
)
_END: Final = text(
    """
    UPDATE runs SET state = :state, reason = :reason, finished_at = now()
    WHERE run_id = :run_id AND state = 'declared'
    """
)
_LOCK: Final = text("SELECT state FROM runs WHERE run_id = :run_id FOR UPDATE")
_TOPICS: Final = text(
    """
    SELECT run_id, topic, confirmed.topic IS NOT NULL AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(confirmed.partitions) AS count (partition integer, next_offset bigint)
        LEFT JOIN source_offsets stored ON stored.topic_id = confirmed.topic_id AND stored.partition = count.partition
        WHERE COALESCE(stored.next_offset, 0) < count.next_offset
    ) AS done, (
        SELECT COALESCE(sum(count.rows), 0) FROM jsonb_to_recordset(confirmed.partitions) AS count (rows bigint)
    )::bigint AS rows
    FROM runs CROSS JOIN unnest(runs.topics) AS declared (topic)
    LEFT JOIN run_topics confirmed USING (run_id, topic)
    WHERE run_id = ANY(:run_ids)
    """
)
_RUNS: Final = text(
    """
    SELECT run_id, run_set, state, attempt, source, simulated, declared_at, finished_at, reason
    FROM runs WHERE (:run_id IS NULL OR run_id = :run_id) AND (NOT :in_progress OR state = 'declared')
    ORDER BY sequence
    """
)


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
        given = {**event.model_dump(exclude={"event"}), "topics": list(event.topics)}
        given["settings"] = json.dumps(event.settings, sort_keys=True, default=str)
        sequence = connection.execute(_DECLARE, given).scalar()
        if sequence is None:
            return []
        given = {"run_id": event.run_id, "run_set": event.run_set, "sequence": sequence}
        return sorted(connection.execute(_SUPERSEDE, given).scalars())

    def confirm(self, connection: Connection, event: TopicConfirmed, topic_id: str) -> bool:
        """Store the confirmed next offsets of a topic; return whether the run is known (declared).

        Args:
            connection: Of the caller's transaction.
            event: The confirmation.
            topic_id: Kafka's id of the topic, which the stored offsets are keyed by.
        """
        given = event.model_dump(exclude={"event", "partitions"}) | {"topic_id": topic_id}
        given["partitions"] = json.dumps([count.model_dump() for count in event.partitions])
        connection.execute(_CONFIRM, given)
        return self.get(connection, event.run_id) is not None

    def abort(self, connection: Connection, event: RunAborted) -> bool:
        """Give a run up; return whether it was in progress."""
        given = {"run_id": event.run_id, "state": "aborted", "reason": event.reason}
        return connection.execute(_END, given).rowcount == 1

    def finish_if_done(self, connection: Connection, run_id: str) -> bool:
        """Lock the run's row, and if every topic is done, mark the run done; return whether that happened now.

        Call it after `OffsetStore.advance` or `confirm`, last in the same transaction: the lock is held to its end.
        Of two members that finish at once, the second
        waits here for the first one's commit and then sees its offsets: exactly one of them gets True.
        """
        if connection.execute(_LOCK, {"run_id": run_id}).scalar() != "declared":
            return False
        topics = connection.execute(_TOPICS, {"run_ids": [run_id]}).all()
        if not all(topic.done for topic in topics):
            return False
        connection.execute(_END, {"run_id": run_id, "state": "done", "reason": None})
        return True

    def get(self, connection: Connection, run_id: str) -> Run | None:
        """Return a run; None where it was never declared."""
        return next(iter(self._runs(connection, run_id)), None)

    def in_progress(self, connection: Connection) -> list[Run]:
        """Return the runs that are declared and neither done nor given up, oldest first."""
        return self._runs(connection, in_progress=True)

    def all(self, connection: Connection) -> list[Run]:
        """Return every run, newest first."""
        return self._runs(connection)[::-1]

    def _runs(self, connection: Connection, run_id: str | None = None, *, in_progress: bool = False) -> list[Run]:
        rows = connection.execute(_RUNS, {"run_id": run_id, "in_progress": in_progress}).all()
        topics: dict[str, dict[str, bool]] = {row.run_id: {} for row in rows}
        counts: dict[str, dict[str, int]] = {row.run_id: {} for row in rows}
        for found in connection.execute(_TOPICS, {"run_ids": list(topics)}):
            topics[found.run_id][found.topic] = found.done
            counts[found.run_id][found.topic] = found.rows
        return [Run(**row._mapping, topics=topics[row.run_id], rows=counts[row.run_id]) for row in rows]  # noqa: SLF001
