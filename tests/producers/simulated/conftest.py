"""Worlds of the simulated exchange that several tests look at."""

from datetime import date

import polars as pl
import pytest

from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedHistory
from producers.simulated.world import World
from producers.source import Bars, Fact


@pytest.fixture(scope="session")
def demo_settings() -> SimulatedSettings:
    return SimulatedSettings(
        simulated_seed=7, simulated_tickers=10, simulated_sessions=60, simulated_start=date(2025, 1, 2)
    )


@pytest.fixture(scope="session")
def demo_world(demo_settings: SimulatedSettings) -> World:
    return World(demo_settings)


@pytest.fixture(scope="session")
def demo_items(demo_settings: SimulatedSettings) -> list[Bars | Fact]:
    source = SimulatedHistory(demo_settings)
    return [item for unit in source.units() for item in source.read(unit) if isinstance(item, Bars | Fact)]


@pytest.fixture(scope="session")
def demo_bars(demo_items: list[Bars | Fact]) -> pl.DataFrame:
    """Every version of every bar of the demo's world."""
    return pl.concat([item.frame for item in demo_items if isinstance(item, Bars)])


@pytest.fixture(scope="session")
def final_bars(demo_bars: pl.DataFrame) -> pl.DataFrame:
    """The last version of each bar, with its session's New York date and minute after midnight."""
    local = pl.col("timestamp").dt.convert_time_zone("America/New_York")
    return (
        demo_bars.sort("ticker", "timestamp", "known_at")
        .unique(["ticker", "timestamp"], keep="last", maintain_order=True)
        .with_columns(
            local.dt.date().alias("day"), (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()).alias("minute")
        )
    )
