"""The slow facts of a ticker as one table for the bare loop: each column forward-filled by when it became known."""

import polars as pl

from shared.contracts.bars import INSTANT
from shared.features.context import Context

_GROWTH = {
    "GDPC1": ("gdp_growth_quarter", 1, "gdp_growth_year", 4),
    "CPIAUCSL": ("inflation_month", 1, "inflation_year", 12),
}
_LEVELS = {
    "FEDFUNDS": ("policy_rate", "policy_rate_change_year", 12),
    "UNRATE": ("unemployment", "unemployment_change_year", 12),
    "DGS10": ("ten_year_yield", "ten_year_yield_change", 1),
    "DGS2": ("two_year_yield", None, 0),
    "T10Y2Y": ("yield_slope", None, 0),
    "VIXCLS": ("vix", "vix_change", 1),
}
_ACTIONS = ("days_to_dividend_at", "days_since_dividend_at", "days_to_split_at", "days_since_split_at")


def slow_table(context: Context, prefix: str) -> pl.DataFrame:
    """Return `known_at`, sorted, and the columns of macro, filings and actions; `prefix` is that of the series."""
    parts = [_macro(context.macro, prefix), *_filings(context.filings)]
    table = pl.concat(parts, how="diagonal").sort("known_at").with_columns(pl.exclude("known_at").forward_fill())
    missing = [pl.lit(None, INSTANT).alias(name) for name in _ACTIONS]
    return table.with_columns(*missing, dividend_growth=pl.lit(None, pl.Float64))


def _macro(macro: pl.DataFrame, prefix: str) -> pl.DataFrame:
    parts = []
    value = pl.col("value")
    for series, (short, one, long, year) in _GROWTH.items():
        parts.append(
            _of(macro, prefix + series, {short: value / value.shift(one) - 1, long: value / value.shift(year) - 1})
        )
    for series, (level, change, lag) in _LEVELS.items():
        columns = {level: value}
        if change:
            columns[change] = value / value.shift(lag) - 1 if series == "VIXCLS" else value - value.shift(lag)
        parts.append(_of(macro, prefix + series, columns))
    return pl.concat(parts, how="diagonal")


def _of(macro: pl.DataFrame, series: str, columns: dict[str, pl.Expr]) -> pl.DataFrame:
    first = macro.filter(pl.col("series") == series).sort("known_at").unique("date", keep="first", maintain_order=True)
    return first.select("known_at", **columns)


def _filings(filings: pl.DataFrame) -> list[pl.DataFrame]:
    revenue, income = pl.col("revenue"), pl.col("netIncome")
    return [
        filings.sort("known_at").select(
            "known_at",
            filed="known_at",
            eps="eps",
            free_cash_flow="cashflow_freeCashFlow",
            gross_margin=pl.col("grossProfit") / revenue,
            operating_margin=pl.col("operatingIncome") / revenue,
            net_margin=income / revenue,
            free_cash_flow_margin=pl.col("cashflow_freeCashFlow") / revenue,
            debt_to_equity=pl.col("balance_totalDebt") / pl.col("balance_totalStockholdersEquity"),
            revenue_growth_year=revenue / revenue.shift(4) - 1,
            net_margin_change_year=income / revenue - (income / revenue).shift(4),
        )
    ]
