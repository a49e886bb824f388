"""Source offsets in PostgreSQL, fenced by epoch: the truth about what an aggregator has read, beside its rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from shared.errors import TickerstreamError


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
        raise NotImplementedError

    def advance(self, connection: Connection, claim: Claim, next_offset: int) -> Claim:
        """Store the next offset inside the caller's transaction; return the claim to go on with once it is committed.

        `next_offset` may be the claim's own: that only proves (and holds until the end of the transaction) the epoch,
        as work without new records, such as a remake, needs it.

        Raises:
            FencedError: epoch or stored offset is not the claim's.
            ValueError: it would go backwards.
        """
        raise NotImplementedError

    def stored(self, connection: Connection, topic_id: str) -> Mapping[int, int]:
        """Return the next offset of each partition of a topic."""
        raise NotImplementedError
