"""Splits and dividends as announced: how far away they are, and whether the dividend grows."""

from collections.abc import Callable
from typing import Final

from shared.features.announced import FARTHEST_DAYS, Announced
from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group


def _feature(name: str, meaning: str, formula: str, of: Callable[[Announced], Floats]) -> Feature:
    def compute(bench: Bench) -> Floats:
        actions = bench.context.actions
        return bench.context.missing() if actions is None else of(actions)

    return Feature(
        name=name,
        group=Group.ACTIONS,
        timeframe="1m",
        lookback=0,
        smoothing=0,
        scale_free=True,
        meaning=f"{meaning} Null where none is known within {FARTHEST_DAYS} days.",
        formula=formula,
        source="corporate actions",
        compute=compute,
    )


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        "days_to_dividend",
        "Days from the bar's end to the open of the next announced ex-date of a dividend.",
        "open of the next ex-date - end of the bar",
        lambda actions: actions.days_to("dividend"),
    ),
    _feature(
        "days_since_dividend",
        "Days from the open of the newest ex-date of a dividend to the bar's end.",
        "end of the bar - open of the newest ex-date",
        lambda actions: actions.days_since("dividend"),
    ),
    _feature(
        "days_to_split",
        "Days from the bar's end to the open of the next announced split's ex-date.",
        "open of the next ex-date - end of the bar",
        lambda actions: actions.days_to("split"),
    ),
    _feature(
        "days_since_split",
        "Days from the open of the newest split's ex-date to the bar's end.",
        "end of the bar - open of the newest ex-date",
        lambda actions: actions.days_since("split"),
    ),
    _feature(
        "dividend_growth",
        "The newest ordinary dividend in effect over the one before it, both a share of today, less 1.",
        "amount / amount[1 dividend before] - 1",
        lambda actions: actions.dividend_growth(),
    ),
)
"""Features of the group."""
