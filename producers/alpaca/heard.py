"""What has been heard of the latest minutes, so that nothing is published twice and nothing older overrides newer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from producers.alpaca.bars import Minute, known_at_receipt

KEPT_MINUTES: Final = 120
TICK: Final = timedelta(microseconds=1)
Known = tuple[datetime, str]


@dataclass(slots=True)
class _Last:
    """The last version of one bar; `session`: the connection whose stream delivered it, 0 for history."""

    values: tuple[float | None, ...]
    known_at: datetime
    session: int


class Heard:
    """Decides which bars are news: of each ticker's newest minutes it remembers the last version."""

    def __init__(self) -> None:
        self._bars: dict[str, dict[datetime, _Last]] = {}

    def from_stream(self, minute: Minute, at: datetime, session: int) -> Known | None:
        """Return the known time and basis of a bar received at `at` over connection `session`; None: no news."""
        last = self._last(minute)
        if last is not None and last.values == minute.values:
            last.session = session
            return None
        return self._remember(minute, last, at, session)

    def from_history(self, minute: Minute, at: datetime, session: int) -> Known | None:
        """Return the known time and basis of a bar read at `at` to fill the hole before `session`; None: no news.

        What the stream has delivered since that connection stood is at least as new as the answer from history.
        """
        last = self._last(minute)
        if last is not None and (last.session >= session or last.values == minute.values):
            return None
        return self._remember(minute, last, at, 0)

    def _last(self, minute: Minute) -> _Last | None:
        return self._bars.get(minute.ticker, {}).get(minute.timestamp)

    def _remember(self, minute: Minute, last: _Last | None, at: datetime, session: int) -> Known:
        known_at, basis = known_at_receipt(minute, at)
        if last is not None:
            known_at = max(known_at, last.known_at + TICK)  # a correction is later than what it corrects
        bars = self._bars.setdefault(minute.ticker, {})
        bars[minute.timestamp] = _Last(minute.values, known_at, session)
        if len(bars) >= 2 * KEPT_MINUTES:
            newest = sorted(bars)[-KEPT_MINUTES:]
            self._bars[minute.ticker] = {timestamp: bars[timestamp] for timestamp in newest}
        return known_at, basis
