"""The aggregator on real servers: every bar becomes a row, once."""

import polars as pl
import pytest

from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import NAMES
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.testing.eventually import eventually
from tests.aggregator.parts import MONDAY, Ground, bars

pytestmark = pytest.mark.kafka


def expected(frame: pl.DataFrame, *weeks: IsoWeek) -> pl.DataFrame:
    """The rows of one ticker as the one function makes them from all bars at once."""
    return pl.concat([compute_week(frame, EMPTY_CONTEXT, week) for week in weeks])


def test_history_becomes_rows_equal_to_the_one_function(stand: Ground) -> None:
    frame = bars(days=12)
    with stand.history(frame).running():
        rows = stand.await_rows(12 * 390)
        eventually(lambda: stand.features("AAPL"), seconds=10)

    weeks = [IsoWeek.of(MONDAY), IsoWeek(2025, 3)]
    wanted = expected(frame, *weeks)
    assert rows["revision"].unique().to_list() == [1]
    assert rows.select("timestamp", "as_of", "close", *NAMES).equals(
        wanted.select("timestamp", "as_of", "close", *NAMES)
    )
    newest = stand.features("AAPL")[-1]
    assert newest.timestamp == frame["timestamp"].max()
    assert stand.started() == []
