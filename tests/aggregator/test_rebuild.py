"""Rebuilding from the lake gives the rows that were made as the bars came."""

from datetime import timedelta

import polars as pl
import pytest
from sqlalchemy import text

from shared.contracts.bars import INSTANT
from shared.features.catalogue import NAMES
from shared.kafka.partitioner import partition_of
from shared.storage.postgres import transaction
from shared.storage.remakes import REBUILD, Remake, RemakeQueue
from tests.aggregator.parts import Ground, bars, observed
from tests.aggregator.test_service import land, weeks_of
from tests.shared.features.making import bits

pytestmark = pytest.mark.kafka
COLUMNS = ("timestamp", "revision", "as_of", "open", "close", "volume", "session", "replayed", "superseded", *NAMES)


def test_rebuilt_rows_equal_those_made_as_the_bars_came(stand: Ground) -> None:
    frame = bars(days=7, minutes=100)
    past, day = frame[:600], observed(frame[600:650])
    corrected = day[20:21].with_columns(
        pl.col("close") * 1.01,
        pl.col("high") * 1.02,
        known_at=pl.lit(day["known_at"][-1] + timedelta(seconds=30)).cast(INSTANT),
    )
    told = pl.concat([past, day, corrected])
    with stand.history(past).history(bars("MSFT", minutes=50)).running():
        stand.await_rows(600)
        stand.live(day).live(corrected).await_rows(told.height, seconds=40)
        stand.await_caught_up().await_remade()
    lived = stand.rows()
    land(stand, told)
    land(stand, bars("MSFT", minutes=50))

    with transaction(stand.engine) as connection:
        connection.execute(text("TRUNCATE aggregated_data"))
        wishes = [
            Remake(partition_of(b"AAPL", 2), "AAPL", week.start, week.start, REBUILD, f"rebuild/{number}/{week}")
            for number in range(2)  # asked for twice, a week is made once
            for week in weeks_of(told)
        ]
        assert RemakeQueue().add(connection, wishes) == 4
    with stand.running():
        stand.await_remade()

    assert bits(stand.rows().select(COLUMNS)).equals(bits(lived.select(COLUMNS)))
    assert stand.count("MSFT") == 0
