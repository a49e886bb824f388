"""Source offsets in PostgreSQL, fenced by epoch: the truth about what an aggregator has read, beside its rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from sqlalchemy import Connection, Engine, text

from shared.errors import ContractError, TickerstreamError
from shared.ports import TopicPartition
from shared.storage.postgres import transaction

_RAISE: Final = text(
    """
    UPDATE source_offsets SET epoch = epoch + 1, owner = :owner, updated_at = now()
    WHERE topic_id = :topic_id AND partition = :partition RETURNING epoch, next_offset
    """
)
_EARLIER: Final = text(
    """
    SELECT topic_id, next_offset FROM source_offsets
    WHERE topic = :topic AND partition = :partition AND topic_id <> :topic_id ORDER BY updated_at DESC LIMIT 1
    """
)
_BEGIN: Final = text(
    """
    INSERT INTO source_offsets AS stored (topic_id, partition, topic, epoch, next_offset, owner)
    VALUES (:topic_id, :partition, :topic, 1, :start, :owner)
    ON CONFLICT (topic_id, partition) DO UPDATE SET epoch = stored.epoch + 1, owner = excluded.owner
    RETURNING epoch, next_offset
    """
)
_ADVANCE: Final = text(
    """
    UPDATE source_offsets SET next_offset = :next, updated_at = now()
    WHERE topic_id = :topic_id AND partition = :partition AND epoch = :epoch AND next_offset = :expected
    """
)
_POSITIONS: Final = text(
    """
    SELECT DISTINCT ON (topic, partition) topic, partition, next_offset FROM source_offsets
    ORDER BY topic, partition, updated_at DESC
    """
)


class FencedError(TickerstreamError):
    """Somebody else owns the partition now, or has moved its offset: roll back, drop what was read of it."""


@dataclass(frozen=True, slots=True)
class SourcePartition:
    """A partition of one incarnation of a topic: a topic made anew has another `topic_id`."""

    topic: str
    topic_id: str
    partition: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to move on from `next_offset` of a partition, as long as nobody raises its epoch."""

    source: SourcePartition
    epoch: int
    next_offset: int


class OffsetStore:
    """Reads and moves the offsets.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, source: SourcePartition, start: int, owner: str) -> Claim:
        """Raise the partition's epoch, in a transaction of its own, so that every earlier claim is fenced.

        Args:
            source: What is taken over.
            start: Where reading begins if no offset was ever stored: the log's first offset.
            owner: Who takes it, for people.

        Raises:
            ContractError: an offset is stored for an earlier topic of this name, and none for this one.
        """
        given = {**asdict(source), "start": start, "owner": owner}
        with transaction(self._engine) as connection:
            raised = connection.execute(_RAISE, given).one_or_none()
            if raised is None:
                earlier = connection.execute(_EARLIER, given).first()
                if earlier is not None:
                    raise ContractError(
                        f"topic {source.topic} was deleted and made anew: offset {earlier.next_offset} of partition "
                        f"{source.partition} belongs to the earlier one ({earlier.topic_id}, now {source.topic_id}). "
                        "Rebuild the features, or delete its rows from source_offsets to read the new one."
                    )
                raised = connection.execute(_BEGIN, given).one()
        return Claim(source, raised.epoch, raised.next_offset)

    def advance(self, connection: Connection, claim: Claim, next_offset: int) -> Claim:
        """Store the next offset inside the caller's transaction; return the claim to go on with once it is committed.

        `next_offset` may be the claim's own: that only proves (and holds until the end of the transaction) the epoch,
        as work without new records, such as a remake, needs it. Where the answer to a COMMIT is lost, only a new claim
        tells what is stored.

        Raises:
            FencedError: epoch or stored offset is not the claim's.
            ValueError: it would go backwards.
        """
        source = claim.source
        if next_offset < claim.next_offset:
            raise ValueError(f"offset {next_offset} of {source} is before the claim's {claim.next_offset}")
        given = {**asdict(source), "epoch": claim.epoch, "expected": claim.next_offset, "next": next_offset}
        if connection.execute(_ADVANCE, given).rowcount != 1:
            raise FencedError(
                f"partition {source.partition} of {source.topic} is no longer ours: epoch {claim.epoch} or offset "
                f"{claim.next_offset} is not what is stored. What was read of it is dropped; its owner goes on."
            )
        return replace(claim, next_offset=next_offset)

    def stored(self, connection: Connection, topic_id: str) -> Mapping[int, int]:
        """Return the next offset of each partition of a topic."""
        query = text("SELECT partition, next_offset FROM source_offsets WHERE topic_id = :topic_id ORDER BY partition")
        return {row.partition: row.next_offset for row in connection.execute(query, {"topic_id": topic_id})}

    def positions(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that was ever read, of the topic's newest incarnation."""
        with transaction(self._engine) as connection:
            return self.applied(connection)

    def applied(self, connection: Connection) -> dict[TopicPartition, int]:
        """Return `positions` as the caller's transaction sees them, with what it has moved itself."""
        return {(row.topic, row.partition): row.next_offset for row in connection.execute(_POSITIONS)}
