"""Spacing: five-minute files are refused, thin one-minute files are not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.spacing import check_spacing
from shared.errors import PoisonMessageError

START = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)


def rows(offsets: list[float], ticker: str = "AAA") -> pl.DataFrame:
    times = [START + timedelta(minutes=offset) for offset in offsets]
    return pl.DataFrame({"ticker": [ticker] * len(times), "timestamp": times}, schema_overrides={
        "timestamp": pl.Datetime("us", "UTC")
    })  # fmt: skip


def refused(frame: pl.DataFrame, name: str = "AAA.csv") -> str | None:
    try:
        check_spacing(frame, name)
    except PoisonMessageError as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("minutes", "shown"), [(5, "5 minutes"), (15, "15 minutes"), (60, "60 minutes"), (1440, "24 hours")]
)
def test_check_spacing_coarser_bars_are_refused(minutes: int, shown: str) -> None:
    assert shown in (refused(rows([i * minutes for i in range(40)])) or "")


def test_check_spacing_second_bars_are_refused() -> None:
    assert "30 s" in (refused(rows([i / 2 for i in range(40)])) or "")


def test_check_spacing_one_stray_row_does_not_make_minutes_of_five() -> None:
    assert refused(rows([*(i * 5 for i in range(60)), 7])) is not None


def test_check_spacing_duplicates_and_disorder_do_not_matter() -> None:
    assert refused(rows([5 * i for i in (3, 1, 2, 2, 2, 0, 9, 8, 4, 5, 6, 7, 11, 10)])) is not None
    assert refused(rows([3, 1, 1, 1, 2, 0, 9, 8, 4, 5, 6, 7, 11, 10])) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.floats(0.02, 0.9))
def test_check_spacing_thin_minute_files_pass(seed: int, count: int, share: float) -> None:
    traded = np.flatnonzero(np.random.default_rng(seed).random(count * 10) < share)[:count]
    assert refused(rows(traded.tolist())) is None


def test_check_spacing_too_few_rows_the_name_tells() -> None:
    assert refused(rows([0, 5, 10]), "AAPL_5min.csv") is not None
    assert refused(rows([0, 5, 10]), "AAPL_1min.csv") is None
    assert refused(rows([0, 5, 10]), "AAPL.csv") is None
    assert refused(rows([0, 1, 2]), "AAPL_5min.csv") is None  # the rows say otherwise


def test_check_spacing_two_tickers_interleaved_are_looked_at_apart() -> None:
    both = pl.concat([rows([i * 5 for i in range(30)], "AAA"), rows([i * 5 + 1 for i in range(30)], "BBB")])
    assert refused(both) is not None
