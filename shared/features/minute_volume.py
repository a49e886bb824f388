"""What volume the same minute of the session usually has: the median over the sessions before, of the same feed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from shared.features.arrays import Flags, Floats, Ints
from shared.features.bench import Bench

SESSIONS: Final = 20
LEAST_VALUES: Final = 10
"""A minute that traded in fewer of the sessions than this has no median."""


def usual_volume(bench: Bench) -> Floats:
    """Return the median volume of each row's minute, counted from the session's open, over the last 20 sessions.

    The sessions are the last 20 with bars before the row's own; bars of another feed than the row's do not count, nor
    do missing minutes. Rows before the week have none (NaN).
    """
    return bench.cached("usual volume", lambda: _usual_volume(bench))


def _usual_volume(bench: Bench) -> Floats:
    usual = np.full(len(bench), np.nan)
    rows = bench.week_rows
    feeds = bench.history.feed
    for feed in np.unique(feeds[len(feeds) - rows :]).tolist():
        ours = feeds[len(feeds) - rows :] == feed
        usual[len(bench) - rows :][ours] = _medians(bench, feeds == feed, rows)[ours]
    return usual


def _medians(bench: Bench, counted: Flags, rows: int) -> Floats:
    """Return the medians of the last `rows` rows from the bars that are `counted`."""
    sessions = bench.history_sessions
    place, minute = sessions.seen - 1, sessions.minute - int(sessions.minute.min())
    held = sessions.day >= 0
    count = int(place[-1]) + 1
    if count <= SESSIONS:
        return np.full(rows, np.nan)
    by_minute = np.full((int(minute.max()) + 1, count), np.nan)
    given = held & counted
    by_minute[minute[given], place[given]] = bench.history.volume[given]
    medians = _window_medians(by_minute, np.unique(place[len(place) - rows :]))
    return np.where(held[len(held) - rows :], medians[minute[-rows:], place[-rows:]], np.nan)


def _window_medians(by_minute: Floats, places: Ints) -> Floats:
    """Return, at each of the session `places`, the median of the 20 columns before it, NaN elsewhere."""
    medians = np.full(by_minute.shape, np.nan)
    places = places[places >= SESSIONS]
    if not places.size:
        return medians
    windows = sliding_window_view(by_minute, SESSIONS, axis=1)[:, places - SESSIONS]
    ordered = np.sort(windows, axis=-1)  # NaN comes last
    there = np.isfinite(ordered).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum(there - 1, 0)[..., None] // 2, -1)[..., 0]
    high = np.take_along_axis(ordered, there[..., None] // 2 % SESSIONS, -1)[..., 0]
    medians[:, places] = np.where(there >= LEAST_VALUES, (low + high) / 2, np.nan)
    return medians
