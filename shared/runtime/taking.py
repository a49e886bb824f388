"""One record: checked, handled or refused; and the share of refused ones among the last."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from shared.errors import PoisonMessageError
from shared.kafka.dead_letters import DeadLetters
from shared.ports import Record, RecordReader
from shared.runtime.checks import check_record
from shared.runtime.handler import CommitPolicy, Handler, RejectShare
from shared.runtime.meter import count_error

T = TypeVar("T")


class Patiently(Protocol):
    """Returns the result of an action, however long that takes to be possible."""

    def __call__(self, action: Callable[[], T], /) -> T:
        """Return the result of `action`."""
        ...


class RecordTaker:
    """Takes records: afterwards each is with the handler, or with the dead letters.

    Args:
        reader: Knows the partitions that a record may be of.
        handler: What records are turned into.
        dead_letters: Where refused ones go.
        policy: Which share of refused ones is too large.
    """

    def __init__(self, reader: RecordReader, handler: Handler, dead_letters: DeadLetters, policy: CommitPolicy) -> None:
        self._reader = reader
        self._handler = handler
        self._dead_letters = dead_letters
        self._most = policy.reject_share_max
        self._share = RejectShare(policy.reject_window, policy.reject_records)
        self.rows = 0
        """How many were taken."""
        self.rejects = 0
        """How many were refused."""

    @property
    def dead_letters(self) -> int:
        """Return how many dead letters were sent."""
        return self._dead_letters.count

    def take(self, record: Record, patiently: Patiently) -> int:
        """Take a record; return how many rows of it were taken."""
        try:
            patiently(partial(check_record, record, self._reader))
            handled = patiently(partial(self._handler.handle, record))
        except PoisonMessageError as error:
            patiently(partial(self._dead_letters.refuse, record, error))
            self._share.add_whole()
            self.rejects += 1
            count_error(error)
            return 0
        rejects = 0
        for part in handled.rejected:
            refuse = self._dead_letters.refuse_rows
            patiently(partial(refuse, record, part.value, part.rows, part.reason, part.error_class))
            rejects += part.rows
        self._share.add(handled.rows + rejects, rejects)
        self.rows += handled.rows
        self.rejects += rejects
        return handled.rows

    @property
    def too_many_refused(self) -> str:
        """Return why the input as a whole must be wrong; nothing while it need not be."""
        if not self._share.exceeds(self._most):
            return ""
        return (
            f"{self._share.share:.0%} of the last {self._share.records:,} records were refused (limit {self._most:.0%})"
            ": look at `tickerstream dlq list`, mend the producer, then start this service again."
        )
