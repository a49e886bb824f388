"""Slow facts that come after the rows: exactly the rows whose values change are made again."""

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from shared.features.catalogue import NAMES
from shared.features.compute import FeatureEngine
from shared.features.revisions import week_revisions
from shared.kafka.partitioner import partition_of
from shared.storage.context_store import ContextStore
from shared.storage.postgres import transaction
from shared.testing.eventually import eventually
from tests.aggregator.parts import Ground, bars
from tests.aggregator.test_service import weeks_of
from tests.shared.features.making import bits

pytestmark = pytest.mark.kafka


def sent(stand: Ground, topic: str, key: str, message: dict[str, Any]) -> None:
    stand.send(topic, key, json.dumps(message).encode())
    stand.await_caught_up().await_remade()


def vintage(released_at: str, value: float, **changes: Any) -> dict[str, Any]:
    return {
        "series": "FEDFUNDS", "date": "2024-12-01", "value": value, "released_at": released_at,
        "released_basis": "observed", "source": "fred",
    } | changes  # fmt: skip


def fresh(stand: Ground, frame: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each bar as the one function gives it from everything."""
    with transaction(stand.engine) as connection:
        context = ContextStore().context(connection, "AAPL")
    engine = FeatureEngine("AAPL")
    rows = pl.concat([rows for week in weeks_of(frame) for rows in week_revisions(engine, frame, context, week)])
    return rows.group_by("timestamp", maintain_order=True).last().sort("timestamp")


def matches(stand: Ground, frame: pl.DataFrame) -> bool:
    rows = stand.rows(newest=True)
    wanted = fresh(stand, frame).select("timestamp", "as_of", "close", *NAMES)
    return bits(rows.select(wanted.columns)).equals(bits(wanted))


def test_late_vintage_makes_the_rows_since_its_release_again(stand: Ground) -> None:
    frame = bars(days=11)
    with stand.history(frame).running():
        stand.await_rows(frame.height)
        sent(stand, "h_macrodata", "FEDFUNDS", vintage("2025-01-09T13:00:00Z", 4.48))
        eventually(lambda: stand.rows()["revision"].max() == 2)
        rows = stand.rows()
        assert matches(stand, frame)
        again = rows.filter(pl.col("revision") == 2)
        assert again["timestamp"].min() == frame["timestamp"][3 * 390]  # Thursday's first bar
        assert again.height == frame.height - 3 * 390
        assert [stand.applied("h_macrodata", revision=n) for n in (1, 2)] == [{"0": 0, "1": 0}, {"0": 1, "1": 0}]
        own = rows.filter(pl.col("revision") == 1)
        assert again["as_of"].to_list() == own["as_of"][3 * 390 :].to_list()
        sent(stand, "h_macrodata", "FEDFUNDS", vintage("2025-01-09T13:00:00Z", 4.48))
        assert stand.rows().height == rows.height  # it came again


def test_late_filing_is_of_one_company_only(stand: Ground) -> None:
    filing = {
        "symbol": "AAPL", "period": "FY", "period_end": "2024-09-28", "calendarYear": 2024,
        "filed_at": "2024-11-01T10:01:36Z", "filed_basis": "accepted", "source": "files", "eps": 6.11, "revenue": 391e9,
        "netIncome": 93e9, "totalDebt": 119e9, "totalStockholdersEquity": 57e9, "freeCashFlow": 108e9,
    }  # fmt: skip
    frame = bars(minutes=100)
    with stand.history(frame).history(bars("MSFT", minutes=100)).running():
        stand.await_rows(100)
        stand.await_rows(100, "MSFT")
        sent(stand, "h_company", "AAPL", filing)
        eventually(lambda: stand.count() == 200)
        assert matches(stand, frame)
    partition = str(partition_of(b"AAPL", 2))
    assert [stand.applied("h_company", revision=n)[partition] for n in (1, 2)] == [0, 1]
    assert stand.count("MSFT") == 100


def test_late_split_makes_the_rows_since_its_day_again(stand: Ground) -> None:
    frame = bars(days=11)
    known = frame["known_at"][9 * 390] + timedelta(seconds=1)
    action = {
        "ticker": "AAPL", "action": "split", "ratio": 2.0, "ex_date": "2025-01-15", "known_at": known.isoformat(),
        "known_basis": "observed", "source": "alpaca",
    }  # fmt: skip
    with stand.history(frame).running():
        stand.await_rows(frame.height)
        sent(stand, "corporate_actions", "AAPL", action)
        eventually(lambda: stand.rows()["revision"].max() == 2)
        assert matches(stand, frame)
        again = stand.rows().filter(pl.col("revision") == 2)
    assert again["timestamp"].min() == frame["timestamp"][7 * 390]
    late = again.filter(pl.col("timestamp") < frame["timestamp"][9 * 390])
    assert late["as_of"].unique().to_list() == [known]
