"""Messages that leave with a transaction: written beside its rows, sent to Kafka after it, at least once."""

from collections.abc import Mapping

from sqlalchemy import Connection, Engine

from shared.ports import RecordWriter


class Outbox:
    """Puts messages beside the rows that they tell of."""

    def add(
        self,
        connection: Connection,
        topic: str,
        key: bytes | None,
        value: bytes,
        unique: str,
        headers: Mapping[str, bytes] | None = None,
    ) -> bool:
        """Add a message in the caller's transaction; return False where one with this `unique` key was added before."""
        raise NotImplementedError


class OutboxRelay:
    """Sends what was committed: oldest first, in bounded batches, each marked once Kafka has acknowledged it.

    A crash between sending and marking sends again: readers must take a repeated message for one. Several relays may
    run; each message is sent by one of them at a time.

    Args:
        engine: A PostgreSQL that is migrated.
        writer: Where to.
        flush_seconds: How long Kafka may take to acknowledge a batch.
    """

    def __init__(self, engine: Engine, writer: RecordWriter, flush_seconds: float = 10.0) -> None:
        self._engine = engine
        self._writer = writer
        self._flush_seconds = flush_seconds

    def send_pending(self) -> int:
        """Send everything that waits; return how many messages were sent.

        Raises:
            TransientError: Kafka or PostgreSQL does not answer; what was not marked is sent again next time.
            DeliveryError: Kafka refused a message for good.
        """
        raise NotImplementedError
