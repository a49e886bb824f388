from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulated.settings import SimulatedSettings
from producers.simulated.world import World
from shared.contracts.bars import BAR_COLUMNS, split_valid

OPEN, CLOSE, HALF_CLOSE = 9 * 60 + 30, 16 * 60, 13 * 60


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    index=st.integers(0, 29),
    start=st.dates(date(2000, 1, 1), date(2025, 6, 1)),
    extended=st.booleans(),
)
def test_bars_of_any_world_are_valid(seed: int, index: int, start: date, extended: bool) -> None:
    world = World(
        SimulatedSettings(simulated_seed=seed, simulated_tickers=30, simulated_start=start, simulated_extended=extended)
    )
    bars = world.bars(world.companies[index], world.timeline.history[:7])
    valid, refused = split_valid(bars)
    assert (dict(bars.schema), refused.height) == (BAR_COLUMNS, 0)
    assert valid.height > 7
    assert not bars.is_duplicated().any()
    assert (bars["vwap"].is_null() == (bars["volume"] == 0)).all()
    assert bars.filter(~pl.col("vwap").is_between("low", "high")).is_empty()
    assert bars.filter((pl.col("trade_count") > pl.col("volume")) | (pl.col("volume") % 1 != 0)).is_empty()
    cents = pl.col("open", "high", "low", "close") * 100
    assert bars.select((cents - cents.round()).abs().max()).max_horizontal().item() < 1e-6


def test_bars_lie_in_regular_sessions_and_half_days_end_early() -> None:
    world = World(SimulatedSettings(simulated_tickers=1, simulated_sessions=250, simulated_start=date(2025, 1, 2)))
    bars = world.bars(world.companies[0], world.timeline.history).unique("timestamp")
    local = pl.col("timestamp").dt.convert_time_zone("America/New_York")
    days = (
        bars.group_by(local.dt.date().alias("day"))
        .agg(local.dt.time().min().alias("first"), local.dt.time().max().alias("last"))
        .sort("day")
    )
    assert days.height == 250
    assert date(2025, 1, 9) not in days["day"].to_list()
    assert {str(t) for t in days["first"]} == {"09:30:00"}
    early = days.filter(pl.col("last").cast(pl.String).str.starts_with("12:59"))["day"].to_list()
    assert early == [date(2025, 7, 3), date(2025, 11, 28), date(2025, 12, 24)]
    assert {str(t) for t in days.filter(~pl.col("day").is_in(early))["last"]} == {"15:59:00"}


def test_volume_and_range_are_u_shaped(final_bars: pl.DataFrame) -> None:
    full = final_bars.filter(pl.col("ticker").is_in(["SIM.ALFA", "SIM.BRAVO", "SIM.JULIET"])).with_columns(
        (pl.col("volume") / pl.col("volume").mean().over("ticker")).alias("share"),
        ((pl.col("high") - pl.col("low")) / pl.col("close")).alias("span"),
    )
    part = (
        pl.when(pl.col("minute") < OPEN + 15)
        .then(pl.lit("open"))
        .when(pl.col("minute") >= CLOSE - 15)
        .then(pl.lit("close"))
        .when(pl.col("minute").is_between(12 * 60, 14 * 60))
        .then(pl.lit("noon"))
    )
    found = full.group_by(part.alias("part")).agg(pl.col("share", "span").mean())
    by_part = {row["part"]: row for row in found.to_dicts()}
    for column in ("share", "span"):
        assert by_part["open"][column] > 1.5 * by_part["noon"][column]
        assert by_part["close"][column] > 1.15 * by_part["noon"][column]


def test_thin_ticker_misses_minutes_and_another_has_fillers(final_bars: pl.DataFrame) -> None:
    by_ticker = {str(name): frame for (name,), frame in final_bars.group_by("ticker")}
    grid = 60 * 390
    assert 0.4 * grid < by_ticker["SIM.FOXTROT"].height < 0.9 * grid
    assert by_ticker["SIM.FOXTROT"].filter(pl.col("volume") == 0).is_empty()
    filled = by_ticker["SIM.HOTEL"].with_columns(pl.col("close").shift().over("day").alias("before"))
    fillers = filled.filter(pl.col("volume") == 0)
    assert 0.02 * grid < fillers.height < 0.4 * grid
    same = pl.all_horizontal(pl.col(c) == pl.col("before") for c in ("open", "high", "low", "close"))
    assert fillers.filter(~same).is_empty()
    assert by_ticker["SIM.ALFA"].filter(pl.col("volume") == 0).is_empty()


def test_halts_leave_holes_in_liquid_tickers(final_bars: pl.DataFrame) -> None:
    gaps = (
        final_bars.filter(~pl.col("ticker").is_in(["SIM.FOXTROT"]))
        .sort("ticker", "timestamp")
        .with_columns(pl.col("minute").diff().over("ticker", "day").alias("gap"))
        .filter(pl.col("gap") > 1)
    )
    assert gaps.height >= 2
    assert gaps["gap"].is_between(6, 31).all()
    assert gaps.group_by("ticker", "day").len()["len"].max() == 1


def test_some_bars_are_revised_later_with_more_volume_and_the_same_last_trade(demo_bars: pl.DataFrame) -> None:
    ordered = demo_bars.sort("ticker", "timestamp", "known_at")
    twice = ordered.filter(pl.len().over("ticker", "timestamp") > 1)
    first = twice.unique(["ticker", "timestamp"], keep="first", maintain_order=True)
    last = twice.unique(["ticker", "timestamp"], keep="last", maintain_order=True)
    assert twice.height == 2 * first.height
    assert 0.001 < first.height / demo_bars.height < 0.01
    late = (last["known_at"] - first["known_at"]).dt.total_seconds()
    assert late.is_between(60, 46 * 60).all()
    assert ((last["volume"] > first["volume"]) & (last["high"] >= first["high"]) & (last["low"] <= first["low"])).all()
    assert (last["close"] == first["close"]).all()
    assert (last["open"] == first["open"]).all()
    assert set(demo_bars["known_basis"]) == {"observed"}


def test_first_versions_are_known_seconds_after_the_close(demo_bars: pl.DataFrame) -> None:
    first = demo_bars.sort("known_at").unique(["ticker", "timestamp"], keep="first")
    delay = first["known_at"] - first["timestamp"]
    assert timedelta(minutes=1) < delay.min() < delay.max() < timedelta(minutes=1, seconds=3)  # type: ignore[operator]


@pytest.mark.parametrize(("index", "share"), [(0, 0.5), (5, 0.0)])
def test_extended_hours_add_quiet_bars_around_the_session(index: int, share: float) -> None:
    world = World(SimulatedSettings(simulated_tickers=10, simulated_sessions=5, simulated_extended=True))
    bars = world.bars(world.companies[index], world.timeline.history).unique("timestamp")
    local = pl.col("timestamp").dt.convert_time_zone("America/New_York")
    minute = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    inside = minute.is_between(OPEN, CLOSE - 1)
    outside = bars.filter(~inside)
    assert 5 * 570 * share < outside.height < 5 * 570
    assert outside.filter(~minute.is_between(4 * 60, 20 * 60 - 1)).is_empty()
    assert bars.filter(inside)["volume"].mean() > 20 * (outside["volume"].mean() or 0.0)  # type: ignore[operator]
