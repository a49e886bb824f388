"""The newest row of each ticker on `features`: sent after it is committed, and again whenever a member begins."""

import logging
from collections.abc import Iterable
from typing import Final

from shared.clock import Clock
from shared.contracts.topics import FEATURES
from shared.features.rows import to_message
from shared.ports import Outgoing, RecordWriter
from shared.storage.database import Engine
from shared.storage.feature_store import FeatureStore
from shared.storage.postgres import transaction

_FLUSH_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class NewestRows:
    """Sends the newest rows of tickers whose rows have changed.

    Args:
        engine: PostgreSQL.
        store: The rows.
        writer: Where they are sent.
        clock: For how often.
        seconds: While history is read, rows are sent so often.
    """

    def __init__(self, engine: Engine, store: FeatureStore, writer: RecordWriter, clock: Clock, seconds: float) -> None:
        self._engine = engine
        self._store = store
        self._writer = writer
        self._clock = clock
        self._seconds = seconds
        self._changed: set[str] = set()
        self._sent_at = float("-inf")
        self.sent = 0

    def changed(self, tickers: Iterable[str]) -> None:
        """Note tickers whose newest row may be another one now."""
        self._changed.update(tickers)

    def forget(self) -> None:
        """Forget the tickers: their partition may be somebody else's."""
        self._changed.clear()

    def send(self, *, hurry: bool) -> None:
        """Send what has changed: at once in a `hurry`, else when some time has passed.

        Raises:
            TransientError: PostgreSQL or Kafka does not answer; what was not sent is sent next time.
            DeliveryError: Kafka refused a row for good.
        """
        now = self._clock.monotonic()
        if not self._changed or (not hurry and now - self._sent_at < self._seconds):
            return
        # Marked first: a row that was sent counts as served even if we die in between.
        with transaction(self._engine) as connection:
            rows = self._store.newest_rows(connection, sorted(self._changed))
            self._store.mark_served(connection, rows.select("ticker", "timestamp", "revision"))
        headers = {"schema": FEATURES.schema.encode()}
        for row in rows.iter_rows(named=True):
            message = to_message(row, row["revision"], row["made_at"], row["replayed"])
            self._writer.send(Outgoing(FEATURES.name, message.ticker.encode(), message.encode(), headers))
        self._writer.flush(_FLUSH_SECONDS)
        self.sent += rows.height
        self._changed.clear()
        self._sent_at = now
