"""Requests to make feature rows again, because a fact became known late; done by the owner of the partition."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

_ADD: Final = text(
    """
    INSERT INTO remake_requests (partition, ticker, since, as_of, reason, unique_key)
    VALUES (:partition, :ticker, :since, :as_of, :reason, :unique) ON CONFLICT (unique_key) DO NOTHING
    """
)
_PENDING: Final = text(
    """
    SELECT request_id, partition, ticker, since, as_of, reason, unique_key FROM remake_requests
    WHERE done_at IS NULL AND partition = ANY(:partitions) ORDER BY request_id LIMIT :limit
    """
)
_COUNT: Final = text("SELECT count(*) FROM remake_requests WHERE done_at IS NULL AND partition = ANY(:partitions)")
_DONE: Final = text(
    "UPDATE remake_requests SET done_at = now(), batch_id = :batch_id WHERE request_id = ANY(:ids) AND done_at IS NULL"
)


_LEFT: Final = text(
    "SELECT count(*) FILTER (WHERE done_at IS NULL) FROM remake_requests WHERE starts_with(unique_key, :prefix)"
)

REBUILD: Final = "rebuild"
"""Reason of a request for one ticker-week, whether it has rows or not: the week that holds `since`."""


@dataclass(frozen=True, slots=True)
class Remake:
    """A wish to make rows again.

    Attributes:
        partition: Partition of the bars' topics whose owner does it.
        ticker: Whose rows; None: every ticker of the partition.
        since: First bar that may be affected, aware, UTC.
        as_of: `known_at` of the fact: rows are made as known at the later of this and their own as_of.
        reason: For people.
        unique: A request with the same key is stored once.
    """

    partition: int
    ticker: str | None
    since: datetime
    as_of: datetime
    reason: str
    unique: str


@dataclass(frozen=True, slots=True)
class RemakeRequest:
    """A stored wish."""

    request_id: int
    remake: Remake


class RemakeQueue:
    """Keeps the requests, in the caller's transactions."""

    def add(self, connection: Connection, remakes: Iterable[Remake]) -> int:
        """Store the requests; return how many are new."""
        return sum(connection.execute(_ADD, asdict(remake)).rowcount for remake in remakes)

    def pending(self, connection: Connection, partitions: Iterable[int], limit: int = 100) -> list[RemakeRequest]:
        """Return the oldest requests of these partitions that are not done."""
        rows = connection.execute(_PENDING, {"partitions": list(partitions), "limit": limit})
        return [RemakeRequest(request_id, Remake(*rest)) for request_id, *rest in rows]

    def count(self, connection: Connection, partitions: Iterable[int]) -> int:
        """Return how many requests of these partitions are not done."""
        return int(connection.execute(_COUNT, {"partitions": list(partitions)}).scalar_one())

    def left(self, connection: Connection, prefix: str) -> int:
        """Return how many requests whose unique key begins with `prefix` are not done."""
        return int(connection.execute(_LEFT, {"prefix": prefix}).scalar_one())

    def done(self, connection: Connection, request_ids: Iterable[int], batch_id: int | None = None) -> None:
        """Mark requests as done (by which batch, if it made rows)."""
        connection.execute(_DONE, {"ids": list(request_ids), "batch_id": batch_id})
