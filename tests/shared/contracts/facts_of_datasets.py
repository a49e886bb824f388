"""Hypothesis strategies: rows of every dataset from domains so small that versions meet, repeat and tie."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from shared.contracts.bars import INSTANT
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, STOCK, Dataset

Row = dict[str, Any]
START = datetime(2024, 12, 30, 14, 30, tzinfo=UTC)
SOURCES = st.sampled_from(["files", "alpaca", "mine", "yours"])
INGESTED = st.integers(0, 3).map(lambda n: START + timedelta(minutes=1, seconds=n))
VALUES = st.sampled_from([0.0, -0.0, 1.0, 0.1, 0.30000000000000004])
STATED = st.integers(0, 2).map(lambda n: START + timedelta(minutes=1, seconds=n))


@st.composite
def bars(draw: st.DrawFn) -> Row:
    timestamp = START + timedelta(minutes=draw(st.integers(0, 1)))
    observed = draw(st.booleans())
    return {
        "ticker": "AAPL",
        "timestamp": timestamp,
        **dict.fromkeys(("open", "high", "low", "close"), draw(st.sampled_from([1.0, 2.0]))),
        "volume": draw(VALUES),
        "trade_count": draw(st.sampled_from([None, 1])),
        "vwap": None,
        "known_at": draw(STATED) if observed else timestamp + timedelta(minutes=1),
        "known_basis": "observed" if observed else "nominal",
        "source": draw(SOURCES),
        "feed": draw(st.sampled_from([None, "iex"])),
        "adjusted": False,
        "simulated": False,
        "ingested_at": draw(INGESTED),
    }


@st.composite
def vintages(draw: st.DrawFn) -> Row:
    return {
        "series": "GDPC1",
        "date": date(2024, 10, draw(st.integers(1, 2))),
        "value": draw(st.none() | VALUES),
        "released_at": draw(STATED),
        "released_basis": draw(st.sampled_from(["observed", "calendar", "latest_plausible"])),
        "vintage": None,
        "latest_vintage": draw(st.booleans()),
        "source": draw(SOURCES),
        "simulated": False,
        "ingested_at": draw(INGESTED),
    }


OPEN_VALUES = st.none() | VALUES | st.booleans() | st.sampled_from(["1.0", "true", "n/a"])


@st.composite
def filings(draw: st.DrawFn) -> Row:
    statement = draw(st.dictionaries(st.sampled_from(["eps", "revenue", "link"]), OPEN_VALUES))
    return {
        "symbol": "AAPL",
        "period": draw(st.sampled_from(["FY", "Q1"])),
        "period_end": date(2024, 9, 30),
        "calendarYear": 2024,
        "filed_at": draw(STATED),
        "filed_basis": draw(st.sampled_from(["accepted", "filing_date", "untrusted"])),
        "source": draw(SOURCES),
        "simulated": False,
        **statement,
        "ingested_at": draw(INGESTED),
    }


@st.composite
def actions(draw: st.DrawFn) -> Row:
    split = draw(st.booleans())
    return {
        "ticker": "AAPL",
        "action": "split" if split else "dividend",
        "label": draw(st.sampled_from(["", "special"])),
        "ratio": draw(st.sampled_from([2.0, 3.0])) if split else None,
        "amount": None if split else 0.25,
        "ex_date": date(2025, 1, 2),
        "known_at": draw(STATED),
        "known_basis": draw(st.sampled_from(["observed", "nominal"])),
        "source": draw(SOURCES),
        "simulated": False,
        "ingested_at": draw(INGESTED),
    }


FACTS: list[tuple[Dataset, st.SearchStrategy[Row]]] = [
    (STOCK, bars()),
    (MACRO, vintages()),
    (FUNDAMENTALS, filings()),
    (ACTIONS, actions()),
]
NAMES = [dataset.bucket for dataset, _ in FACTS]


def one_row_frame(dataset: Dataset, row: Row) -> pl.DataFrame:
    """One message as a frame; the values of open columns say their types."""
    fixed = {name: kind for name, kind in {**dataset.columns, "ingested_at": INSTANT}.items() if name in row}
    extra = {name: [value] for name, value in row.items() if name not in fixed}
    frame = pl.DataFrame({name: [row[name]] for name in fixed}, schema=fixed)
    return frame.with_columns(pl.Series(name, values, strict=False) for name, values in extra.items())
