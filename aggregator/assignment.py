"""What this member owns: a claim on each partition, by epoch, and where reading it began."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.errors import TransientError
from shared.kafka.assignment import Log
from shared.ports import TopicPartition
from shared.storage.database import Connection
from shared.storage.offsets import Claim, OffsetStore, SourcePartition

_PATIENCE_SECONDS: Final = 20.0


class Assignment:
    """The claims of one member. They change when a transaction that moved them is committed.

    Args:
        offsets: Where the offsets are kept.
        owner: Name of this member, for people.
    """

    def __init__(self, offsets: OffsetStore, owner: str) -> None:
        self._offsets = offsets
        self._owner = owner
        self._claims: dict[TopicPartition, Claim] = {}
        self._began: dict[TopicPartition, tuple[int, int]] = {}
        self._known: dict[TopicPartition, int] = {}
        self.generation = 0
        """Changes with every assignment."""

    def take(self, logs: Mapping[TopicPartition, Log]) -> dict[TopicPartition, int]:
        """Raise the epoch of partitions that were assigned to us; return where to read on.

        Raises:
            ContractError: offsets are stored for an earlier topic of the name.
            TransientError: PostgreSQL does not answer.
        """
        again = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            wait=wait_exponential(0.2, max=2.0),
            reraise=True,
        )
        for (topic, partition), log in sorted(logs.items()):
            source = SourcePartition(topic, log.topic_id, partition)
            claim = again(self._offsets.claim, source, log.first, self._owner)
            self._claims[(topic, partition)] = claim
            self._began[(topic, partition)] = (claim.next_offset, log.first)
            self._known[(topic, partition)] = claim.next_offset
        self.generation += 1
        return {tp: self._claims[tp].next_offset for tp in logs}

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that are not ours any more."""
        for tp in partitions:
            self._claims.pop(tp, None)
            self._began.pop(tp, None)
            self._known.pop(tp, None)
        self.generation += 1

    def claim(self, tp: TopicPartition) -> Claim:
        """Return our claim on a partition."""
        return self._claims[tp]

    def owns(self, tp: TopicPartition) -> bool:
        """Return whether the partition is ours, as far as we know."""
        return tp in self._claims

    def began(self, tp: TopicPartition) -> int:
        """Return the offset at which we began to read the partition."""
        return self._began[tp][0]

    def note_known(self, moves: Mapping[TopicPartition, int]) -> None:
        """Note up to where the records of partitions were turned into rows, stored or about to be."""
        self._known.update(moves)

    def known(self, tp: TopicPartition) -> int:
        """Return up to where the records of a partition were turned into rows."""
        return self._known[tp]

    def partitions(self, topic: str) -> list[int]:
        """Return which partitions of a topic are ours."""
        return sorted(partition for name, partition in self._claims if name == topic)

    def is_from_the_start(self, partitions: Iterable[TopicPartition]) -> bool:
        """Return whether this member has read these partitions since the logs' first offset: it knows all of them."""
        return all(self._began[tp][0] == self._began[tp][1] for tp in partitions if tp in self._began)

    def advance(self, connection: Connection, moves: Mapping[TopicPartition, int]) -> dict[TopicPartition, Claim]:
        """Move offsets inside a transaction; return the claims to `settle` once it is committed.

        Raises:
            FencedError: somebody else owns one of the partitions by now.
        """
        return {tp: self._offsets.advance(connection, self._claims[tp], offset) for tp, offset in sorted(moves.items())}

    def applied(self, connection: Connection) -> dict[TopicPartition, int]:
        """Return what is stored as read of every input, ours or not, as a transaction sees it."""
        return self._offsets.applied(connection)

    def settle(self, claims: Mapping[TopicPartition, Claim]) -> None:
        """Go on with the claims of a transaction that is committed."""
        self._claims.update(claims)
