"""What a consuming service gives to the loop: how records are handled, and how often they are committed."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from shared.ports import Record


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows of a record that are refused.

    Attributes:
        value: Those rows, encoded as the record's value is.
        rows: How many.
        reason: One line for people.
        error_class: Stable short name.
    """

    value: bytes
    rows: int
    reason: str
    error_class: str


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a record: rows taken, and rows refused."""

    rows: int
    rejected: tuple[RejectedRows, ...] = ()


class Handler(Protocol):
    """Turns records into effects. One that fails has not taken the record."""

    def handle(self, record: Record) -> Handled:
        """Take a record; its effect may wait until `flush`.

        Raises:
            PoisonMessageError: it can never be handled.
            TransientError: not now; it is given again.
        """
        ...

    def flush(self) -> None:
        """Make the effect of everything handled so far durable.

        Raises:
            TransientError: not now; nothing is committed and `flush` is called again, what is buffered is kept.
        """
        ...

    def discard(self) -> None:
        """Drop everything that is not yet durable: it will be read again, here or by somebody else."""
        ...

    @property
    def pending_rows(self) -> int:
        """Return how many rows wait for `flush`: what bounds the memory."""
        ...

    @property
    def flush_when_idle(self) -> bool:
        """Return whether to flush as soon as the topics are quiet, rather than after `max_seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class CommitPolicy:
    """When a loop commits, and how patient it is.

    Attributes:
        max_rows: Commit when so many rows are pending.
        max_seconds: Commit when the first uncommitted record is so old.
        reject_share_max: Above this share of refused records, each by its rows, the loop pauses; 1 = never. It has no
            default: whoever makes a policy knows whether one producer writes the topic, and can be at fault as a whole.
        idle_seconds: A topic is quiet when nothing came for so long.
        poll_seconds: Longest wait for records.
        flush_seconds: Longest wait for the acknowledgement of dead letters.
        revoke_seconds: What a commit may take when partitions are taken away, or when stopping.
        retry_seconds: First pause after a TransientError; it doubles up to `retry_max_seconds`.
        retry_max_seconds: Longest such pause.
        reject_window: Rows that the share is taken over, at least.
        reject_records: Records that it is taken over, at least: a few large bad ones say nothing about the stream.
    """

    max_rows: int
    max_seconds: float
    reject_share_max: float
    idle_seconds: float = 1.0
    poll_seconds: float = 0.5
    flush_seconds: float = 30.0
    revoke_seconds: float = 20.0
    retry_seconds: float = 1.0
    retry_max_seconds: float = 30.0
    reject_window: int = 1000
    reject_records: int = 20


class RejectShare:
    """The share of refused input among the last `window` rows and `records` records, or more.

    Records weigh the same, large or small: one bad record among bars that come singly is one of many.

    Args:
        window: Rows that the share is taken over.
        records: Records that it is taken over.
    """

    def __init__(self, window: int, records: int = 1) -> None:
        self._window = window
        self._records = records
        self._seen: deque[tuple[int, Fraction]] = deque()
        self._refused = Fraction(0)
        self.rows = 0

    def add(self, rows: int, rejects: int) -> None:
        """Count a record of `rows` rows, `rejects` of them refused."""
        rows = max(1, rows)
        refused = Fraction(rejects, rows)
        self._seen.append((rows, refused))
        self.rows += rows
        self._refused += refused
        while len(self._seen) > self._records and self.rows - self._seen[0][0] >= self._window:
            old_rows, old_refused = self._seen.popleft()
            self.rows -= old_rows
            self._refused -= old_refused

    def add_whole(self) -> None:
        """Count a record that is refused as a whole, as many rows as the records before it had."""
        rows = max(1, self.rows // len(self._seen)) if self._seen else 1
        self.add(rows, rows)

    @property
    def records(self) -> int:
        """Return how many records the share is taken over."""
        return len(self._seen)

    @property
    def share(self) -> float:
        """Return the share of the records, each by its rows, that was refused."""
        return float(self._refused / len(self._seen)) if self._seen else 0.0

    def exceeds(self, share: float) -> bool:
        """Return whether more than `share` of a full window was refused."""
        return self.rows >= self._window and self.records >= self._records and self.share > share
