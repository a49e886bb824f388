"""Minutes of regular sessions that a ticker has no bar for: legal, but worth knowing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from cli.verify.content import Minutes
from shared.contracts.calendar import session_close, session_open, sessions


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a ticker lacks from the open of its first session to its last bar.

    Attributes:
        sessions: Sessions in which it has bars.
        missing_sessions: Sessions without a bar of it.
        missing_minutes: Minutes without a bar inside the sessions in which it has some.
    """

    sessions: int = 0
    missing_sessions: int = 0
    missing_minutes: int = 0


@lru_cache(maxsize=4096)
def _bounds(session: date) -> tuple[int, int]:
    opened, closed = session_open(session), session_close(session)
    return int(opened.timestamp()) // 60, int(closed.timestamp()) // 60


def gaps_in(minutes: Minutes) -> Gaps:
    """Return what `minutes` (sorted, each once) lack by the exchange's calendar.

    The first session counts from its open; the last only up to the ticker's last bar, for it may still go on.
    """
    if not len(minutes):
        return Gaps()
    first, last = (datetime.fromtimestamp(int(minute) * 60, UTC).date() for minute in (minutes[0], minutes[-1]))
    with_bars = missing_sessions = missing_minutes = 0
    for session in sessions(first - timedelta(days=1), last):
        opened, closed = _bounds(session)
        if closed <= minutes[0] or opened > minutes[-1]:
            continue
        start, end = np.searchsorted(minutes, [opened, closed])
        expected = min(closed, int(minutes[-1]) + 1) - opened
        found = int(end - start)
        with_bars += found > 0
        missing_sessions += found == 0
        missing_minutes += expected - found if found else 0
    return Gaps(with_bars, missing_sessions, missing_minutes)
