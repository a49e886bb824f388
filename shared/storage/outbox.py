"""Messages that leave with a transaction: written beside its rows, sent to Kafka after it, at least once."""

import json
import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from shared.failpoints import failpoint
from shared.ports import Outgoing, RecordWriter
from shared.storage.postgres import transaction

_BATCH: Final = 100
_FORGET_SECONDS: Final = 3600.0
_ADD: Final = text(
    """
    INSERT INTO outbox (unique_key, topic, key, value, headers)
    VALUES (:unique, :topic, :key, :value, CAST(:headers AS jsonb)) ON CONFLICT (unique_key) DO NOTHING
    """
)
# One relay at a time: of two messages of one key the later must also be the later in Kafka, where compaction keeps it.
_ONE_RELAY: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('outbox', 0))")
_PENDING: Final = text(
    """
    SELECT id, topic, key, value, headers FROM outbox WHERE sent_at IS NULL
    ORDER BY id LIMIT :batch
    """
)
_SENT: Final = text("UPDATE outbox SET sent_at = now() WHERE id = ANY(:ids)")
# What was sent 30 days ago is deleted, so many rows at a time; see the migration that makes the function.
_FORGET: Final = text("SELECT forget_sent()")


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
        """Add a message in the caller's transaction; return False where one with this `unique` key is there already."""
        texts = {name: content.decode() for name, content in (headers or {}).items()}
        given = {"unique": unique, "topic": topic, "key": key, "value": value, "headers": json.dumps(texts)}
        return connection.execute(_ADD, given).rowcount == 1


class OutboxRelay:
    """Sends what was committed: oldest first, in bounded batches, each marked once Kafka has acknowledged it.

    A crash between sending and marking sends again: readers must take a repeated message for one. Several relays may
    run; one of them sends at a time, so messages leave in their order.

    Args:
        engine: A PostgreSQL that is migrated.
        writer: Where to.
        flush_seconds: How long Kafka may take to acknowledge a batch.
    """

    def __init__(self, engine: Engine, writer: RecordWriter, flush_seconds: float = 10.0) -> None:
        self._engine = engine
        self._writer = writer
        self._flush_seconds = flush_seconds
        self._forget_at = float("-inf")

    def send_pending(self) -> int:
        """Send everything that waits; return how many messages were sent. Once an hour, forget what was sent long ago.

        Raises:
            TransientError: Kafka or PostgreSQL does not answer; what was not marked is sent again next time.
            DeliveryError: Kafka refused a message for good.
        """
        sent = 0
        while batch := self._send_batch():
            sent += batch
        if time.monotonic() >= self._forget_at:
            with transaction(self._engine) as connection:
                connection.execute(_FORGET)
            self._forget_at = time.monotonic() + _FORGET_SECONDS
        return sent

    def _send_batch(self) -> int:
        with transaction(self._engine) as connection:
            connection.execute(_ONE_RELAY)
            rows = connection.execute(_PENDING, {"batch": _BATCH}).all()
            if not rows:
                return 0
            for row in rows:
                headers = {name: content.encode() for name, content in row.headers.items()}
                key = None if row.key is None else bytes(row.key)
                self._writer.send(Outgoing(row.topic, key, bytes(row.value), headers))
            self._writer.flush(self._flush_seconds)
            failpoint("outbox.after_send")
            connection.execute(_SENT, {"ids": [row.id for row in rows]})
            return len(rows)
