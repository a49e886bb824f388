"""Bars and slow facts made for tests of features: gaps, extended hours, late and corrected versions, revisions."""

from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import numpy as np
import polars as pl
from numpy.random import Generator, default_rng

from shared.contracts.bars import BAR_COLUMNS
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, Dataset
from shared.contracts.weeks import IsoWeek
from shared.features.context import Context

TICKER = "ACME"
WEEK = IsoWeek(2025, 48)
"""Thanksgiving on Thursday, a half day on Friday; the clocks went back within the weeks before it."""
FIRST, LAST = date(2025, 10, 13), date(2025, 11, 28)
MINUTE = timedelta(minutes=1)

Row = dict[str, object]


def made_bars(seed: int, extended: bool = True, missing: float = 0.05, late: int = 6) -> pl.DataFrame:
    """Bars of WEEK and the six weeks before it, every version.

    Args:
        seed: Of all numbers.
        extended: Whether there are bars an hour before the open and after the close.
        missing: Share of the minutes without a bar.
        late: How many bars of WEEK come late, and how many are corrected later.
    """
    rng = default_rng(seed)
    minutes = [m for m in _minutes(extended) if rng.random() >= missing]
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, len(minutes)))), 2)
    opens = np.round(close * np.exp(rng.normal(0.0, 3e-4, len(minutes))), 2)
    high = np.maximum(opens, close) + np.round(rng.exponential(0.05, len(minutes)), 2)
    low = np.minimum(opens, close) - np.round(rng.exponential(0.05, len(minutes)), 2)
    known = [m + MINUTE + timedelta(microseconds=int(rng.integers(1, 3_000_000))) for m in minutes]
    bars = pl.DataFrame(
        {
            "ticker": TICKER,
            "timestamp": minutes,
            "open": opens,
            "high": high,
            "low": low,
            "close": close,
            "volume": rng.integers(0, 5000, len(minutes)).astype(np.float64),
            "trade_count": rng.integers(1, 90, len(minutes)),
            "vwap": np.round((high + low + close) / 3, 4),
            "known_at": known,
            "known_basis": "observed",
            "source": "alpaca",
            "feed": "sip",
            "adjusted": False,
            "simulated": False,
        },
        schema=BAR_COLUMNS,
    )
    return _with_late(bars, late, rng)


def _minutes(extended: bool) -> list[datetime]:
    calendar = exchange_calendars.get_calendar("XNYS", start="2025-01-01", end="2026-12-31")
    around = timedelta(minutes=60 if extended else 0)
    found = []
    for session in calendar.sessions_in_range(FIRST.isoformat(), LAST.isoformat()):
        opening = calendar.session_open(session).to_pydatetime().astimezone(UTC)
        closing = calendar.session_close(session).to_pydatetime().astimezone(UTC)
        length = (closing - opening + 2 * around) // MINUTE
        found += [opening - around + i * MINUTE for i in range(length)]
    return found


def _with_late(bars: pl.DataFrame, count: int, rng: Generator) -> pl.DataFrame:
    """Let some bars of WEEK become known later, and add corrections of some others."""
    inside = np.flatnonzero((bars["timestamp"] >= WEEK.start).to_numpy())
    late, corrected = rng.choice(inside, (2, count), replace=False)
    delay = np.zeros(bars.height, np.int64)
    delay[late] = rng.integers(60_000_000, 36_000_000_000, count)
    again = bars[corrected].with_columns(
        pl.col("known_at") + pl.duration(microseconds=pl.Series(rng.integers(90_000_000, 20_000_000_000, count))),
        pl.col("close") + 0.01,
        pl.col("high") + 0.02,
        pl.col("volume") + 777.0,
    )
    return pl.concat([bars.with_columns(pl.col("known_at") + pl.duration(microseconds=pl.Series(delay))), again])


def made_context(seed: int) -> Context:
    """Macro vintages, filings and actions of TICKER, every version, some of them known within WEEK."""
    rng = default_rng(seed)
    return Context(made_macro(rng), made_filings(rng), made_actions(rng))


def made_macro(rng: Generator) -> pl.DataFrame:
    """Every series with releases, revisions and withdrawals; and simulated ones of the same names beside them."""
    rows = []
    for series, months, wait in (("GDPC1", 3, 30), ("CPIAUCSL", 1, 12), ("FEDFUNDS", 1, 2), ("UNRATE", 1, 5)):
        for number in range(0, 24, months):
            observed = _month(date(2024, 1, 1), number)
            released = datetime.combine(_month(observed, months), datetime.min.time(), UTC) + timedelta(days=wait)
            rows += _vintages(rng, series, observed, released)
    for series in ("DGS10", "DGS2", "T10Y2Y", "VIXCLS"):
        for day in range(80):
            observed = date(2025, 9, 10) + timedelta(days=day)
            if observed.weekday() < 5:
                rows += _vintages(
                    rng, series, observed, datetime.combine(observed, datetime.min.time(), UTC) + timedelta(days=1)
                )
    others = [{**row, "series": f"SIM.{row['series']}", "value": 1e6, "simulated": True} for row in rows]
    return lake_frame(MACRO, rows + others)


def _month(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _vintages(rng: Generator, series: str, observed: date, released: datetime) -> list[Row]:
    """The first release, null for one in ten; for one in three a revision; for one in twenty a withdrawal."""
    rows: list[Row] = []
    chance = rng.random()
    for place in range(3 if chance < 0.05 else 2 if chance < 0.35 else 1):
        released += timedelta(minutes=int(rng.integers(1, 900 if place == 0 else 60_000)))
        value = None if place == 2 or (place == 0 and rng.random() < 0.1) else float(np.round(rng.uniform(1, 9), 3))
        rows.append({"series": series, "date": observed, "value": value, "released_at": released, "source": "fred"})
    return [{**row, "released_basis": "observed", "simulated": False} for row in rows]


def made_filings(rng: Generator) -> pl.DataFrame:
    """Quarters and fiscal years of three years; half of them restated, one filed and one restated within WEEK."""
    rows: list[Row] = []
    for quarter in range(12):
        end = _month(date(2022, 12, 1), 3 * quarter + 1) - timedelta(days=1)
        filed = datetime.combine(end, datetime.min.time(), UTC) + timedelta(days=56, hours=16, minutes=quarter)
        for period in (f"Q{quarter % 4 + 1}", "FY")[: 2 if quarter % 4 == 3 else 1]:
            rows.append(_filing(rng, period, end, filed))
            if rng.random() < 0.5 or quarter == 9:
                again = filed + timedelta(days=92, minutes=int(rng.integers(0, 2000)))
                rows.append(_filing(rng, period, end, again))
    return lake_frame(FUNDAMENTALS, rows)


def _filing(rng: Generator, period: str, end: date, filed: datetime) -> Row:
    revenue = float(rng.integers(1_000_000, 9_000_000))
    shares = rng.uniform(-0.2, 0.5, 4)
    return {
        "symbol": TICKER,
        "period": period,
        "period_end": end,
        "calendarYear": end.year,
        "filed_at": filed,
        "filed_basis": "accepted",
        "source": "files",
        "simulated": False,
        "revenue": revenue,
        "grossProfit": revenue * 0.6,
        "operatingIncome": revenue * shares[0],
        "netIncome": revenue * shares[1],
        "cashflow_freeCashFlow": None if rng.random() < 0.1 else revenue * shares[2],
        "balance_totalDebt": revenue * 2,
        "balance_totalStockholdersEquity": revenue * shares[3],
        "eps": float(np.round(shares[1] * 5, 2)),
        "link": "text that is no number",
    }


def made_actions(rng: Generator) -> pl.DataFrame:
    """Dividends with corrected amounts and a special one, a split on WEEK's Wednesday, and splits before and after."""
    rows: list[Row] = []

    def add(action: str, ex_date: date, size: float, known: datetime, label: str = "") -> None:
        ratio, amount = (size, None) if action == "split" else (None, size)
        rows.append({"ticker": TICKER, "action": action, "label": label, "ratio": ratio, "amount": amount,
                     "ex_date": ex_date, "known_at": known, "known_basis": "observed", "source": "alpaca",
                     "simulated": False})  # fmt: skip

    def at(day: date, minutes: int) -> datetime:
        return datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=minutes)

    for ex_date in (date(2024, 11, 26), date(2025, 2, 25), date(2025, 5, 27), date(2025, 8, 26), date(2025, 11, 25)):
        amount = float(np.round(rng.uniform(0.1, 0.9), 2))
        add("dividend", ex_date, amount, at(ex_date - timedelta(days=20), 800))
        if rng.random() < 0.6 or ex_date.month == 11:  # corrected, on the ex-date itself
            add("dividend", ex_date, amount + 0.01, at(ex_date, 1000))
    add("dividend", date(2025, 11, 24), 3.0, at(date(2025, 11, 20), 700), "special")
    add("dividend", date(2026, 2, 24), 0.5, at(date(2025, 11, 26), 1100))
    add("split", date(2025, 6, 14), 3.0, at(date(2025, 6, 1), 600))  # a Saturday
    add("split", date(2025, 11, 26), 2.0, at(date(2025, 11, 12), 600))
    add("split", date(2025, 12, 15), 4.0, at(date(2025, 11, 25), 1000))
    return lake_frame(ACTIONS, rows)


def lake_frame(dataset: Dataset, rows: list[Row]) -> pl.DataFrame:
    """The rows in the lake's columns; known when the message says so."""
    opened = {name: pl.Float64() for row in rows[:1] for name in row if name not in dataset.lake_columns}
    opened |= {"link": pl.String()} if "link" in opened else {}
    full = [{**row, "known_at": row[dataset.stated_known], "ingested_at": row[dataset.stated_known]} for row in rows]
    schema = {**dataset.lake_columns, **opened}
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in full], schema=schema)
    return frame.with_columns(pl.col("known_at").alias(dataset.stated)) if dataset.stated else frame
