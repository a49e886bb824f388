"""What real returns show, the simulated ones show too: tickers move together, wild days cluster, tails are fat."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from producers.simulated.market import MARKET_LOADING, OWN_LOADING, SECTOR_LOADING
from producers.simulated.settings import SimulatedSettings
from producers.simulated.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(SimulatedSettings(simulated_tickers=20, simulated_sessions=300, simulated_start=date(2023, 1, 3)))


def minute_returns(world: World, index: int) -> NDArray[np.float64]:
    """Log returns of the full days without holes, from close to close: (days, 389)."""
    bars = world.bars(world.companies[index], world.timeline.history).unique("timestamp", keep="last")
    days = bars.sort("timestamp").group_by(pl.col("timestamp").dt.date(), maintain_order=True).agg("close")
    closes = np.array([day for day in days["close"].to_list() if len(day) == 390])
    return np.diff(np.log(closes), axis=1)


def test_loadings_make_unit_variance() -> None:
    assert pytest.approx(1.0) == MARKET_LOADING**2 + SECTOR_LOADING**2 + OWN_LOADING**2


def test_tickers_move_together_and_most_within_a_sector(world: World) -> None:
    closes = []
    for index in (1, 0, 3):  # two of technology, one of health
        bars = world.bars(world.companies[index], world.timeline.history).unique("timestamp", keep="last")
        closes.append(bars.select("timestamp", pl.col("close").alias(str(index))))
    wide = closes[0].join(closes[1], on="timestamp").join(closes[2], on="timestamp").sort("timestamp")
    step = wide.with_columns(pl.exclude("timestamp").log().diff())
    inside = step.filter(wide["timestamp"].diff() == pl.duration(minutes=1))
    assert world.companies[0].sector == world.companies[1].sector != world.companies[3].sector
    found = np.corrcoef(inside.drop("timestamp").to_numpy().T)
    assert found[0, 1] > found[0, 2] + 0.08
    assert 0.2 < found[0, 2] < 0.35


def test_returns_have_fat_tails_and_no_trend_in_a_day(world: World) -> None:
    returns = minute_returns(world, 1).ravel()
    standard = (returns - returns.mean()) / returns.std()
    assert np.mean(standard**4) > 4.5
    assert abs(returns.mean()) < 4.0 * returns.std() / np.sqrt(returns.size)


def test_volatility_clusters_across_days(world: World) -> None:
    daily = np.log(minute_returns(world, 9).std(axis=1))
    assert daily.std() > 0.15
    assert np.corrcoef(daily[1:], daily[:-1])[0, 1] > 0.6


def test_nights_move_prices(world: World) -> None:
    bars = world.bars(world.companies[9], world.timeline.history).unique("timestamp", keep="last").sort("timestamp")
    days = bars.group_by(pl.col("timestamp").dt.date(), maintain_order=True).agg(
        pl.col("open").first(), pl.col("close").last()
    )
    nights = np.log(days["open"].to_numpy()[1:] / days["close"].to_numpy()[:-1])
    sessions = np.log(days["close"].to_numpy() / days["open"].to_numpy())
    assert 0.3 < nights.std() / sessions.std() < 0.8
