"""The company as its newest known filing tells it. No price stands beside these figures: splits do not align them."""

from collections.abc import Callable
from typing import Final

import numpy as np

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.statements import OLDEST_DAYS, FilingSteps

_NEWEST: Final = f"Of the newest filing known then; null once its period ended more than {OLDEST_DAYS} days ago."


def _positive(values: Floats) -> Floats:
    """Return the values that can be divided by; NaN for the others."""
    return np.where(values > 0, values, np.nan)


def _margin(field: str) -> Callable[[FilingSteps], Floats]:
    return lambda steps: steps.newest[field] / _positive(steps.newest["revenue"])


def _debt_to_equity(steps: FilingSteps) -> Floats:
    return steps.newest["balance_totalDebt"] / _positive(steps.newest["balance_totalStockholdersEquity"])


def _revenue_growth(steps: FilingSteps) -> Floats:
    return steps.newest["revenue"] / _positive(steps.year_before["revenue"]) - 1


def _margin_change(steps: FilingSteps) -> Floats:
    before = steps.year_before["netIncome"] / _positive(steps.year_before["revenue"])
    return _margin("netIncome")(steps) - before


def _age(bench: Bench) -> Floats:
    return bench.context.since_filing()


def _feature(
    name: str, meaning: str, formula: str, of: Callable[[FilingSteps], Floats], scale_free: bool = True
) -> Feature:
    def compute(bench: Bench) -> Floats:
        steps = bench.context.filings
        return bench.context.missing() if steps is None else bench.context.spread_filing(of(steps))

    return _entry(name, f"{meaning} {_NEWEST}", formula, compute, scale_free)


def _entry(name: str, meaning: str, formula: str, compute: Callable[[Bench], Floats], scale_free: bool) -> Feature:
    return Feature(
        name=name,
        group=Group.FUNDAMENTAL,
        timeframe="1m",
        lookback=0,
        smoothing=0,
        scale_free=scale_free,
        meaning=meaning,
        formula=formula,
        source="company filings",
        compute=compute,
    )


FEATURES: Final[tuple[Feature, ...]] = (
    _feature("eps", "Earnings a share as filed, dollars.", "eps", lambda steps: steps.newest["eps"], scale_free=False),
    _feature(
        "free_cash_flow",
        "Free cash flow of the period, dollars.",
        "cashflow_freeCashFlow",
        lambda steps: steps.newest["cashflow_freeCashFlow"],
        scale_free=False,
    ),
    _feature("gross_margin", "Gross profit over revenue.", "grossProfit / revenue", _margin("grossProfit")),
    _feature(
        "operating_margin", "Operating income over revenue.", "operatingIncome / revenue", _margin("operatingIncome")
    ),
    _feature("net_margin", "Net income over revenue.", "netIncome / revenue", _margin("netIncome")),
    _feature(
        "free_cash_flow_margin",
        "Free cash flow over revenue.",
        "cashflow_freeCashFlow / revenue",
        _margin("cashflow_freeCashFlow"),
    ),
    _feature(
        "debt_to_equity",
        "Debt over the shareholders' equity; null where that is not positive.",
        "balance_totalDebt / balance_totalStockholdersEquity",
        _debt_to_equity,
    ),
    _feature(
        "revenue_growth_year",
        "Revenue over that of the same period a year before, less 1.",
        "revenue / revenue[same period a year before] - 1",
        _revenue_growth,
    ),
    _feature(
        "net_margin_change_year",
        "Net margin less that of the same period a year before.",
        "net_margin - net_margin[same period a year before]",
        _margin_change,
    ),
    _entry(
        "filing_age_days",
        "Days since the newest filing (or its restatement) became known.",
        "as_of - known_at",
        _age,
        scale_free=True,
    ),
)
"""Features of the group."""
