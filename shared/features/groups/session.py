"""Where the bar lies in its session, by the exchange calendar, and what the session has done so far."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group, Timeframe
from shared.features.sessions import NO_SESSION, ordinals_of

_FULL: Final = 390  # minutes of a whole session
_CALENDAR: Final = "exchange calendar XNYS"


def _elapsed(bench: Bench) -> Floats:
    held = bench.session.day != NO_SESSION
    return np.where(held, bench.session.minute + 1, np.nan) / np.where(held, bench.session.length, 1)


def _to_close(bench: Bench) -> Floats:
    return bench.session.where_held(bench.session.length - bench.session.minute - 1)


def _half_day(bench: Bench) -> Floats:
    return bench.session.where_held((bench.session.length < _FULL).astype(np.int64))


def _regular_parts(bench: Bench) -> Iterator[slice]:
    """Yield the regular bars of each session as a slice of the rows."""
    regular = bench.session.regular
    edges = np.flatnonzero(
        np.diff(np.where(regular, bench.session.day, NO_SESSION), prepend=NO_SESSION, append=NO_SESSION)
    )
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if regular[first]:
            yield slice(first, end)


def _by_part(bench: Bench, compute: Callable[[slice], Floats]) -> Floats:
    """Return what `compute` gives for each session's regular bars; NaN elsewhere."""
    values = np.full(len(bench), np.nan)
    for part in bench.cached("regular parts", lambda: list(_regular_parts(bench))):
        values[part] = compute(part)
    return values


def _gap(bench: Bench) -> Floats:
    before = _previous_close(bench)
    return _by_part(bench, lambda part: bench.open[part][0] / before[part] - 1)


def _previous_close(bench: Bench) -> Floats:
    """Return the close of the session before each row's; NaN where that one has no regular bar, or there is none."""
    sessions = bench.higher("session")
    if not len(sessions.bars) or not len(bench):
        return np.full(len(bench), np.nan)
    ordinals = ordinals_of(sessions.bars.minutes)
    wanted = bench.session.day - 1
    place = np.minimum(np.searchsorted(ordinals, wanted), len(ordinals) - 1)
    return np.where(ordinals[place] == wanted, sessions.bars.close[place], np.nan)


def _return(bench: Bench) -> Floats:
    return _by_part(bench, lambda part: bench.close[part] / bench.open[part][0] - 1)


def _position(bench: Bench) -> Floats:
    def compute(part: slice) -> Floats:
        low, high = np.minimum.accumulate(bench.low[part]), np.maximum.accumulate(bench.high[part])
        return (bench.close[part] - low) / np.where(high > low, high - low, np.nan)

    return _by_part(bench, compute)


def _vwap_distance(bench: Bench) -> Floats:
    def compute(part: slice) -> Floats:
        typical = (bench.high[part] + bench.low[part] + bench.close[part]) / 3
        volume = np.cumsum(bench.volume[part])
        mean = np.cumsum(typical * bench.volume[part]) / np.where(volume > 0, volume, np.nan)
        return bench.close[part] / mean - 1

    return _by_part(bench, compute)


def _feature(
    name: str,
    meaning: str,
    formula: str,
    source: str,
    compute: Callable[[Bench], Floats],
    needs: tuple[Timeframe, int] = ("1m", 1),
) -> Feature:
    return Feature(name, Group.SESSION, needs[0], needs[1], 0, True, meaning, formula, source, compute)


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        "session_elapsed",
        "Share of the regular session that is over at the bar's end; negative before it, above 1 after it.",
        "(minutes since the open + 1) / minutes of the session",
        _CALENDAR,
        _elapsed,
    ),
    _feature(
        "minutes_to_close",
        "Minutes from the bar's end to the session's close, earlier on a half day; negative after it.",
        "close of the session - end of the bar",
        _CALENDAR,
        _to_close,
    ),
    _feature(
        "half_day", "1 on a session that closes early, else 0.", "minutes of the session < 390", _CALENDAR, _half_day
    ),
    _feature(
        "weekday",
        "Weekday of the session, Monday = 0.",
        "weekday(session)",
        _CALENDAR,
        lambda bench: bench.session.where_held(bench.session.weekday),
    ),
    _feature(
        "days_since_session",
        "Days since the session before: 1, or more after a weekend or holiday.",
        "session - session before",
        _CALENDAR,
        lambda bench: bench.session.where_held(bench.session.gap),
    ),
    _feature(
        "overnight_gap",
        "Open of the session over the close of the one before, less 1; regular hours only.",
        "open of the session's first bar / close of the session before - 1",
        "simple return",
        _gap,
        ("session", 2),
    ),
    _feature(
        "return_since_open",
        "Return since the session's open; regular hours only.",
        "close / open of the session's first bar - 1",
        "simple return",
        _return,
    ),
    _feature(
        "session_range_position",
        "Where the close lies in the session's range so far: 0 = at its low, 1 = at its high; regular hours only.",
        "(close - low so far) / (high so far - low so far)",
        "range position of the session",
        _position,
    ),
    _feature(
        "session_vwap_distance",
        "How far the close stands above the session's mean price by volume so far, as a share; regular hours only.",
        "close / (sum(volume * (high + low + close) / 3) / sum(volume)) - 1, sums since the open",
        "volume-weighted average price",
        _vwap_distance,
    ),
)
"""Features of the group."""
