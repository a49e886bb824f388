"""The economy as it was known: the newest observation of each series, and how it compares with earlier ones."""

from collections.abc import Callable
from typing import Final

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.vintages import SERIES, MacroSteps

YEAR: Final = 12  # months


def _feature(name: str, series: str, meaning: str, formula: str, of: Callable[[MacroSteps], Floats]) -> Feature:
    def compute(bench: Bench) -> Floats:
        steps = bench.context.macro(series)
        return bench.context.missing() if steps is None else bench.context.spread_macro(series, of(steps))

    return Feature(
        name=name,
        group=Group.MACRO,
        timeframe="1m",
        lookback=0,
        smoothing=0,
        scale_free=True,
        meaning=f"{meaning} As known then; null once the observation is older than {SERIES[series].oldest} days.",
        formula=formula,
        source=f"FRED {series}",
        compute=compute,
    )


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        "gdp_growth_year",
        "GDPC1",
        "Growth of real gross domestic product over four quarters.",
        "GDPC1 / GDPC1[12 months before] - 1",
        lambda steps: steps.value / steps.before[YEAR] - 1,
    ),
    _feature(
        "gdp_growth_quarter",
        "GDPC1",
        "Growth of real gross domestic product over one quarter.",
        "GDPC1 / GDPC1[3 months before] - 1",
        lambda steps: steps.value / steps.before[3] - 1,
    ),
    _feature(
        "inflation_year",
        "CPIAUCSL",
        "Rise of consumer prices over twelve months.",
        "CPIAUCSL / CPIAUCSL[12 months before] - 1",
        lambda steps: steps.value / steps.before[YEAR] - 1,
    ),
    _feature(
        "inflation_month",
        "CPIAUCSL",
        "Rise of consumer prices over one month.",
        "CPIAUCSL / CPIAUCSL[1 month before] - 1",
        lambda steps: steps.value / steps.before[1] - 1,
    ),
    _feature("policy_rate", "FEDFUNDS", "Policy rate, percent.", "FEDFUNDS", lambda steps: steps.value),
    _feature(
        "policy_rate_change_year",
        "FEDFUNDS",
        "Change of the policy rate over twelve months, percentage points.",
        "FEDFUNDS - FEDFUNDS[12 months before]",
        lambda steps: steps.value - steps.before[YEAR],
    ),
    _feature("unemployment", "UNRATE", "Unemployment, percent.", "UNRATE", lambda steps: steps.value),
    _feature(
        "unemployment_change_year",
        "UNRATE",
        "Change of unemployment over twelve months, percentage points.",
        "UNRATE - UNRATE[12 months before]",
        lambda steps: steps.value - steps.before[YEAR],
    ),
    _feature("ten_year_yield", "DGS10", "Yield of ten-year treasuries, percent.", "DGS10", lambda steps: steps.value),
    _feature(
        "ten_year_yield_change",
        "DGS10",
        "Change of the ten-year yield since the observation before, percentage points.",
        "DGS10 - DGS10[1 observation before]",
        lambda steps: steps.value - steps.previous,
    ),
    _feature("two_year_yield", "DGS2", "Yield of two-year treasuries, percent.", "DGS2", lambda steps: steps.value),
    _feature(
        "yield_slope",
        "T10Y2Y",
        "Ten-year less two-year yield, percentage points: negative before many recessions.",
        "T10Y2Y",
        lambda steps: steps.value,
    ),
    _feature("vix", "VIXCLS", "Implied volatility of the market a year, percent.", "VIXCLS", lambda steps: steps.value),
    _feature(
        "vix_change",
        "VIXCLS",
        "Implied volatility over that of the observation before, less 1.",
        "VIXCLS / VIXCLS[1 observation before] - 1",
        lambda steps: steps.value / steps.previous - 1,
    ),
)
"""Features of the group."""
