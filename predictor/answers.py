"""What is known of each ticker: its newest row, its newest answer as bytes, and the last few of both."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.predictions import Prediction
from shared.contracts.rows import FeatureRow
from shared.storage.closes import Close


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as it is served; what is not needed to serve it is left behind.

    Attributes:
        ticker: Whose.
        as_of: What the row knew.
        made_at: When the answer was made.
        signature: What makes it another answer: its id, and the verdicts, which decide who leads.
        head: Its JSON without the closing brace, so that the age can follow.
        born: POSIX seconds that its age counts from: `as_of`, for simulated and replayed rows the row's making.
        horizon_seconds: It is stale when it is older.
    """

    ticker: str
    as_of: datetime
    made_at: datetime
    signature: tuple[str, ...]
    head: bytes
    born: float
    horizon_seconds: float

    @classmethod
    def of(cls, prediction: Prediction, row_made_at: datetime) -> "Shown":
        """Return the answer, serialised once."""
        artificial = prediction.simulated or prediction.replayed
        return cls(
            ticker=prediction.ticker,
            as_of=prediction.as_of,
            made_at=prediction.made_at,
            signature=(prediction.id, *(model.verdict for model in prediction.models)),
            head=prediction.encode()[:-1],
            born=(row_made_at if artificial else prediction.as_of).timestamp(),
            horizon_seconds=60.0 * prediction.horizon_minutes,
        )

    @property
    def record(self) -> bytes:
        """Return the JSON as it travels on `predictions`."""
        return self.head + b"}"

    def body(self, now: float) -> bytes:
        """Return the JSON as of `now` (POSIX seconds); `stale` once the minutes it speaks of have passed."""
        age = max(0.0, now - self.born)
        stale = b"true" if age > self.horizon_seconds else b"false"
        return b'%s,"age_seconds":%.1f,"stale":%s}' % (self.head, age, stale)


@dataclass(frozen=True, slots=True)
class Silence:
    """Why there is no answer to a ticker's newest row, and what is missing for one."""

    reason: str
    missing: tuple[str, ...]


class AnswerBook:
    """The newest row and answer of each ticker, and the last `keep` of them. Readers need no lock.

    Args:
        keep: How many answers and closes are kept a ticker.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self.rows: dict[str, FeatureRow] = {}
        self.newest: dict[str, Shown] = {}
        self.silent: dict[str, Silence] = {}
        self._shown: dict[str, deque[Shown]] = {}
        self._closes: dict[str, deque[Close]] = {}

    def is_news(self, row: FeatureRow) -> bool:
        """Return whether the row is newer than the ticker's last one: a later bar, or a later revision of the same."""
        last = self.rows.get(row.ticker)
        return last is None or (row.row_hash != last.row_hash and is_later(row, last))

    def take_row(self, row: FeatureRow) -> None:
        """Remember a ticker's newest row."""
        self.rows[row.ticker] = row
        self.add_closes([row])

    def add_closes(self, rows: Iterable[FeatureRow]) -> None:
        """Remember closes, oldest first; a bar that is there already takes the new one."""
        for row in rows:
            closes = self._closes.setdefault(row.ticker, deque(maxlen=self._keep))
            if closes and closes[-1].timestamp == row.timestamp:
                closes.pop()
            if not closes or closes[-1].timestamp < row.timestamp:
                closes.append(Close(row.timestamp, row.close))

    def show(self, shown: Shown) -> None:
        """Serve this answer from now on."""
        self._shown.setdefault(shown.ticker, deque(maxlen=self._keep)).append(shown)
        self.newest[shown.ticker] = shown
        self.silent.pop(shown.ticker, None)

    def fall_silent(self, ticker: str, silence: Silence) -> None:
        """Serve no answer for the ticker until there is one to its newest row."""
        self.silent[ticker] = silence
        self.newest.pop(ticker, None)

    def at(self, ticker: str, as_of: datetime) -> Shown | None:
        """Return the newest kept answer to a row as of no later than `as_of`."""
        fitting = [one for one in self.kept(ticker) if one.as_of <= as_of]
        return max(fitting, key=lambda one: (one.as_of, one.made_at), default=None)

    def kept(self, ticker: str) -> list[Shown]:
        """Return the kept answers, oldest first."""
        return list(self._shown.get(ticker, ()))

    def closes(self, ticker: str) -> list[Close]:
        """Return the kept closes, oldest first."""
        return list(self._closes.get(ticker, ()))


def is_later(row: FeatureRow, last: FeatureRow) -> bool:
    """Return whether a ticker's row comes after `last`: by its bar, then by what it knew, then by revision."""
    return _order(row) > _order(last)


def _order(row: FeatureRow) -> tuple[datetime, datetime, int, datetime]:
    return (row.timestamp, row.as_of, row.revision, row.made_at)
