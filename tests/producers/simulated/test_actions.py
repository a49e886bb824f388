from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest

from producers.simulated.actions import actions
from producers.simulated.settings import SimulatedSettings
from producers.simulated.world import World
from producers.source import Bars, Fact
from shared.contracts.facts import CorporateAction


@pytest.fixture(scope="module")
def long_world() -> World:
    return World(SimulatedSettings(simulated_tickers=10, simulated_sessions=150, simulated_start=date(2024, 1, 2)))


def announced(world: World) -> list[CorporateAction]:
    end = world.timeline.history_end
    return [action for company in world.companies for action in actions(company, world.timeline, None, end)]


def test_history_tells_the_actions_before_the_bars(demo_items: list[Bars | Fact]) -> None:
    ticker = [item for item in demo_items if _ticker(item) == "SIM.DELTA"]
    kinds = [type(item) for item in ticker]
    assert kinds == sorted(kinds, key=lambda kind: kind is Bars)
    assert kinds.count(Fact) >= 1


def _ticker(item: Bars | Fact) -> str:
    return item.key if isinstance(item, Fact) else item.frame["ticker"][0]


def test_split_divides_the_price_and_multiplies_the_volume_on_its_ex_date(long_world: World) -> None:
    splits = [a for a in announced(long_world) if a.action == "split"]
    assert {a.ticker: a.ratio for a in splits} == {"SIM.DELTA": 10.0, "SIM.GOLF": 4.0}
    for split in splits:
        company = next(c for c in long_world.companies if c.ticker == split.ticker)
        bars = long_world.bars(company, long_world.timeline.history).sort("timestamp")
        before = bars.filter(pl.col("timestamp").dt.date() < split.ex_date)
        after = bars.filter(pl.col("timestamp").dt.date() >= split.ex_date)
        assert before["close"][-1] / after["open"][0] == pytest.approx(split.ratio, rel=0.06)
        busier = after.head(390 * 20)["volume"].mean() / before.tail(390 * 20)["volume"].mean()  # type: ignore[operator]
        assert busier == pytest.approx(split.ratio, rel=0.5)


def test_no_other_night_looks_like_a_split(long_world: World) -> None:
    for company in long_world.companies:
        days = (
            long_world.bars(company, long_world.timeline.history)
            .sort("timestamp")
            .group_by(pl.col("timestamp").dt.date().alias("day"), maintain_order=True)
            .agg(pl.col("open").first(), pl.col("close").last())
        )
        jumps = days.with_columns((pl.col("close").shift() / pl.col("open")).alias("ratio")).filter(
            pl.col("ratio") > 1.3
        )
        splits = {a.ex_date for a in announced(long_world) if a.action == "split" and a.ticker == company.ticker}
        assert set(jumps["day"]) == splits


def test_actions_are_known_sessions_before_their_ex_date(long_world: World) -> None:
    found = announced(long_world)
    days = {s.day for s in (long_world.timeline.session(i) for i in range(-20, 200))}
    assert {a.action for a in found} == {"split", "dividend"}
    for action in found:
        assert action.ex_date in days
        assert timedelta(days=10) < action.ex_date - action.known_at.date() < timedelta(days=30)
    assert all(0.05 < (a.amount or 0.0) < 10 for a in found if a.action == "dividend")


def test_dividends_return_every_quarter(long_world: World) -> None:
    by_ticker: dict[str, list[date]] = {}
    for action in announced(long_world):
        if action.action == "dividend":
            by_ticker.setdefault(action.ticker, []).append(action.ex_date)
    gaps = [(b - a).days for dates in by_ticker.values() for a, b in pairwise(dates)]
    assert gaps
    assert all(85 <= gap <= 97 for gap in gaps)


def test_actions_between_two_instants_are_those_of_the_whole(long_world: World) -> None:
    end = long_world.timeline.history_end
    for company in long_world.companies:
        middle = long_world.timeline.session(70).at(16, 15)
        early = actions(company, long_world.timeline, None, middle)
        late = actions(company, long_world.timeline, middle, end)
        assert early + late == actions(company, long_world.timeline, None, end)
