"""Requests to make feature rows again, because a fact became known late; done by the owner of the partition."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection


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
        raise NotImplementedError

    def pending(self, connection: Connection, partitions: Iterable[int], limit: int = 100) -> list[RemakeRequest]:
        """Return the oldest requests of these partitions that are not done."""
        raise NotImplementedError

    def done(self, connection: Connection, request_ids: Iterable[int], batch_id: int | None = None) -> None:
        """Mark requests as done (by which batch, if it made rows)."""
        raise NotImplementedError
