"""The lake's layout: which object a fact lies in, its columns, and what makes two facts the same version."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from shared.contracts.bars import BAR_COLUMNS, BAR_LENGTH, INSTANT
from shared.contracts.weeks import IsoWeek

KNOWN_AT: Final = "known_at"
"""The lake's column with the instant from which a version may be used, in every dataset: see versions.py."""

LAKE_COLUMNS: Final[dict[str, pl.DataType]] = {"ingested_at": INSTANT, "current": pl.Boolean()}
"""What every lake row has besides its message: Kafka's least time for this version, and whether it wins."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One bucket of the lake.

    Attributes:
        bucket: Its name.
        natural_key: Columns that say which fact a row is about.
        columns: Columns of the message (a filing has further ones, statement fields, of String, Float64 or Boolean).
        stated_known: Column with the known time as the message states it.
        basis: Column that says on what ground it is known.
        observed: Values of `basis` that are a real, per-version observation; any other is a rule's result, which
            a second version with other values cannot share: that one became known when it was first ingested.
        stated: Lake column that keeps the stated known time, beside `known_at`; None: `nominal_after` gives it again.
        nominal_after: (column, time after it): the stated known time of every row whose basis is not observed.
        open_columns: Whether further columns may come.
    """

    bucket: str
    natural_key: tuple[str, ...]
    columns: dict[str, pl.DataType]
    stated_known: str
    basis: str
    observed: tuple[str, ...]
    stated: str | None
    nominal_after: tuple[str, timedelta] | None = None
    open_columns: bool = False

    @property
    def lake_columns(self) -> dict[str, pl.DataType]:
        """Return a lake row's columns without the open ones: message, known_at, stated time, LAKE_COLUMNS."""
        stated: dict[str, pl.DataType] = {self.stated: INSTANT} if self.stated else {}
        return {**self.columns, KNOWN_AT: INSTANT, **stated, **LAKE_COLUMNS}


STOCK: Final = Dataset(
    "stock-data",
    ("ticker", "timestamp"),
    dict(BAR_COLUMNS),
    "known_at",
    "known_basis",
    ("observed",),
    stated=None,
    nominal_after=("timestamp", BAR_LENGTH),
)
MACRO: Final = Dataset(
    "macro-data",
    ("series", "date"),
    {
        "series": pl.String(),
        "date": pl.Date(),
        "value": pl.Float64(),
        "released_at": INSTANT,
        "released_basis": pl.String(),
        "vintage": pl.Date(),
        "latest_vintage": pl.Boolean(),
        "source": pl.String(),
        "simulated": pl.Boolean(),
    },
    "released_at",
    "released_basis",
    ("observed",),
    stated="released_at",
)
FUNDAMENTALS: Final = Dataset(
    "company-fundamentals",
    ("symbol", "period", "period_end"),
    {
        "symbol": pl.String(),
        "period": pl.String(),
        "period_end": pl.Date(),
        "calendarYear": pl.Int64(),
        "filed_at": INSTANT,
        "filed_basis": pl.String(),
        "source": pl.String(),
        "simulated": pl.Boolean(),
    },
    "filed_at",
    "filed_basis",
    ("accepted",),
    stated="filed_at",
    open_columns=True,
)
ACTIONS: Final = Dataset(
    "corporate-actions",
    ("ticker", "action", "label", "ex_date"),
    {
        "ticker": pl.String(),
        "action": pl.String(),
        "label": pl.String(),
        "ratio": pl.Float64(),
        "amount": pl.Float64(),
        "ex_date": pl.Date(),
        "known_at": INSTANT,
        "known_basis": pl.String(),
        "source": pl.String(),
        "simulated": pl.Boolean(),
    },
    "known_at",
    "known_basis",
    ("observed",),
    stated="stated_at",
)
DATASETS: Final = (STOCK, MACRO, FUNDAMENTALS, ACTIONS)

SOURCE_RANK: Final = {"alpaca": 40, "fred": 40, "files": 30, "simulated": 10}
"""Who wins where two sources state the same known time; a source that is not listed has rank 20."""
UNLISTED_RANK: Final = 20


def stock_object(ticker: str, week: IsoWeek) -> str:
    """Return `{ticker}/{year}/{month}/{ticker}_{week}.parquet`, year and month of the week's Thursday."""
    thursday = week.thursday
    return f"{ticker}/{thursday.year}/{thursday.month:02d}/{ticker}_{week}.parquet"


def macro_object(series: str, observed: date) -> str:
    """Return `{series}/{year}/{series}_{year}.parquet`, by the observation's year."""
    return f"{series}/{observed.year}/{series}_{observed.year}.parquet"


def fundamentals_object(symbol: str, calendar_year: int) -> str:
    """Return `{symbol}/{calendarYear}.parquet`."""
    return f"{symbol}/{calendar_year}.parquet"


def actions_object(ticker: str) -> str:
    """Return `{ticker}.parquet`."""
    return f"{ticker}.parquet"
