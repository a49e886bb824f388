"""Hashes of content: order does not count, everything else does."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cli.verify.content import content_hashes, digest, distinct, week_label, weeks_of

MINUTE = st.integers(0, 40_000_000)
VALUE = st.floats(allow_nan=False, allow_infinity=False)
BAR = st.tuples(MINUTE, VALUE, VALUE, VALUE, VALUE, VALUE)
Bar = tuple[int, float, float, float, float, float]


def hashes(bars: list[Bar], ticker: str = "AAA") -> np.ndarray:
    minutes = np.array([bar[0] for bar in bars], dtype=np.int64)
    columns = tuple(np.array([bar[i] for bar in bars], dtype=np.float64) for i in range(1, 6))
    return content_hashes(ticker, minutes, columns)


def plain(bar: Bar) -> Bar:
    """-0.0 and 0.0 are one number."""
    return (bar[0], *(value + 0.0 for value in bar[1:]))  # type: ignore[return-value]


@given(st.lists(BAR, max_size=30), st.randoms())
def test_digest_does_not_depend_on_order(bars: list[Bar], random: object) -> None:
    shuffled = list(bars)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert digest(hashes(bars)) == digest(hashes(shuffled))


@given(st.lists(BAR, min_size=2, max_size=30))
def test_hashes_are_equal_exactly_where_bars_are(bars: list[Bar]) -> None:
    assert distinct(hashes(bars)).size == len({plain(bar) for bar in bars})


@given(BAR)
def test_hash_tells_tickers_apart(bar: Bar) -> None:
    assert hashes([bar])[0] != hashes([bar], "AAB")[0]


@given(BAR)
def test_hash_tells_apart_values_in_other_columns(bar: Bar) -> None:
    minute, opened, high, *rest = plain(bar)
    swapped = (minute, high, opened, *rest)
    assert (hashes([bar])[0] == hashes([swapped])[0]) == (opened == high)  # type: ignore[list-item]


@given(st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_week_of_a_minute_is_the_iso_week(at: datetime) -> None:
    minute = int(at.timestamp() // 60)
    year, week, _ = at.isocalendar()
    assert week_label(int(weeks_of(np.array([minute]))[0])) == f"{year}-W{week:02d}"
