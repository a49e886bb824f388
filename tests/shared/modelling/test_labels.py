"""The label: against a plain look-up of closes, with session rules, holes, half days and order."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.calendar import session_close, session_open
from shared.errors import ContractError
from shared.modelling.checks import check_labels
from shared.modelling.labels import direction, labels
from tests.shared.modelling.worlds import times

MINUTE = timedelta(minutes=1)
DAY = datetime(2024, 7, 2, tzinfo=UTC)  # a Tuesday; July 3 is a half day, July 4 a holiday


def bars(starts: list[datetime], closes: list[float] | None = None, volumes: list[float | None] | None = None):
    count = len(starts)
    closes = closes or [100.0 + n for n in range(count)]
    return pl.DataFrame(
        {"timestamp": starts, "open": closes, "close": closes, "volume": volumes or [1.0] * count},
        schema={"timestamp": pl.Datetime("us", "UTC"), "open": pl.Float64, "close": pl.Float64, "volume": pl.Float64},
    )


def session_minutes(day: date, first: int = 0, count: int = 390) -> list[datetime]:
    return [session_open(day) + MINUTE * n for n in range(first, first + count)]


def oracle(frame: pl.DataFrame, horizon: int, rule: str) -> list[float | None]:
    """The contract's sentence, bar by bar, in plain Python."""
    rows = frame.to_dicts()

    def session_of(start: datetime) -> date | None:
        day = start.astimezone(ZoneInfo("America/New_York")).date()
        try:
            opens, closes = session_open(day), session_close(day)
        except ValueError:
            return None
        return day if rule == "extended" or (opens <= start and start + MINUTE <= closes) else None

    result: list[float | None] = []
    for row in rows:
        close_time = row["timestamp"] + MINUTE
        low, high = close_time + MINUTE * (horizon - 1), close_time + MINUTE * horizon
        ends = [r for r in rows if low < r["timestamp"] + MINUTE <= high]
        end = ends[-1] if ends else None
        good = end is not None and (row["volume"] or 0) > 0 and (end["volume"] or 0) > 0
        same = good and session_of(row["timestamp"]) is not None
        same = same and session_of(row["timestamp"]) == session_of(end["timestamp"])
        result.append(end["close"] / row["close"] - 1 if same else None)
    return result


@given(
    kept=st.sets(st.integers(-40, 480), min_size=2, max_size=120),
    horizon=st.integers(1, 30),
    rule=st.sampled_from(["regular", "extended"]),
    quiet=st.sets(st.integers(-40, 480), max_size=20),
    day=st.sampled_from([date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 4), date(2024, 11, 4)]),
)
def test_labels_any_bars_follow_the_contract(kept, horizon, rule, quiet, day):
    opening = datetime(day.year, day.month, day.day, 9, 30, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    minutes = sorted(kept)
    starts = [opening + MINUTE * m for m in minutes]
    closes = [50.0 + (m * 37 % 11) for m in minutes]
    frame = bars(starts, closes, [0.0 if m in quiet else 1.0 for m in minutes])
    assert labels(frame, horizon, rule)["label"].to_list() == pytest.approx(oracle(frame, horizon, rule), nan_ok=True)


def test_label_full_session_spans_the_horizon():
    made = labels(bars(session_minutes(date(2024, 7, 2))), 5)
    assert made["label"][0] == pytest.approx(105 / 100 - 1)
    assert made["label_end"][0] == session_open(date(2024, 7, 2)) + 6 * MINUTE
    assert made["label"].null_count() == 5
    assert made["label"][-6] is not None


def test_label_half_day_ends_with_the_session():
    made = labels(bars(session_minutes(date(2024, 7, 3), count=390)), 5)
    assert made["label"].is_not_null().sum() == 210 - 5
    assert made["session_day"].is_not_null().sum() == 210


def test_label_closing_auction_bar_has_none_and_ends_none():
    starts = session_minutes(date(2024, 7, 2), first=380, count=11)  # the last one starts at 16:00
    made = labels(bars(starts), 5)
    assert made["label"].is_not_null().to_list() == [True] * 5 + [False] * 6
    assert labels(bars(starts), 5, "extended")["label"].is_not_null().to_list() == [True] * 6 + [False] * 5


def test_label_missing_end_minute_is_null():
    starts = session_minutes(date(2024, 7, 2), count=10)
    del starts[5]
    assert labels(bars(starts), 5)["label"][0] is None


@pytest.mark.parametrize("volume", [0.0, None])
@pytest.mark.parametrize("silent", [0, 5])
def test_label_bar_without_volume_is_null(silent, volume):
    volumes: list[float | None] = [1.0] * 10
    volumes[silent] = volume
    assert labels(bars(session_minutes(date(2024, 7, 2), count=10), volumes=volumes), 5)["label"][0] is None


def test_label_over_night_is_null():
    starts = [*session_minutes(date(2024, 7, 1), first=385, count=5), *session_minutes(date(2024, 7, 2), count=5)]
    made = labels(bars(starts), 17 * 60 + 30 + 5)  # exactly to the same minute of the next session
    assert made["label"].null_count() == len(starts)


def test_executable_return_starts_at_the_next_open():
    frame = bars(session_minutes(date(2024, 7, 2), count=10)).with_columns(open=pl.col("close") - 0.25)
    assert labels(frame, 5)["executable"][0] == pytest.approx(105 / 100.75 - 1)
    assert labels(frame.drop("open"), 5)["executable"].null_count() == 10


def test_executable_return_without_next_bar_is_null():
    starts = session_minutes(date(2024, 7, 2), count=10)
    del starts[1]
    made = labels(bars(starts), 5)
    assert made["label"][0] is not None
    assert made["executable"][0] is None


def test_last_label_is_the_one_that_ends_at_the_bar():
    made = labels(bars(session_minutes(date(2024, 7, 2), count=12)), 5)
    assert made["last"][:5].null_count() == 5
    assert made["last"][5] == made["label"][0]
    assert made["last"][11] == made["label"][6]


def test_direction_no_move_is_null():
    frame = pl.DataFrame({"label": [0.1, -0.1, 0.0, None]})
    assert frame.select(up=direction(pl.col("label")))["up"].to_list() == [1, 0, None, None]


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 1]])
def test_labels_unsorted_or_twin_bars_are_refused(order):
    starts = session_minutes(date(2024, 7, 2), count=3)
    with pytest.raises(ContractError, match="ascending"):
        labels(bars([starts[n] for n in order]), 1)


def test_labels_no_bars_are_no_labels():
    assert labels(bars([]), 5).height == 0


@given(garbled=st.integers(0, 99), seed=st.integers(0, 5))
def test_label_depends_on_its_two_closes_only(garbled, seed):
    closes = (100 + np.random.default_rng(seed).random(100)).tolist()
    starts = session_minutes(date(2024, 7, 2), count=100)
    before = labels(bars(starts, closes), 5)["label"]
    closes[garbled] = 777.0
    changed = (before != labels(bars(starts, closes), 5)["label"]).fill_null(False).arg_true().to_list()
    assert changed == [place for place in (garbled - 5, garbled) if 0 <= place < 95]


@pytest.mark.parametrize("shift", [-5, -1, 1, 5])
def test_check_labels_shifted_label_fails(shift):
    random = np.random.default_rng(3)
    starts = pl.Series(times(3, 390)).cast(pl.Datetime("us", "UTC"))
    frame = bars(starts.to_list(), (100 * np.exp(np.cumsum(random.standard_normal(len(starts)) * 1e-3))).tolist())
    honest = labels(frame, 5)
    check_labels(frame, honest, 5, seed=1)
    with pytest.raises(ContractError, match="shifted"):
        check_labels(frame, honest.with_columns(pl.col("label").shift(shift)), 5, seed=1)
