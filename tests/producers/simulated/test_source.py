from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedFilings, SimulatedHistory, SimulatedMacro
from producers.source import Bars, Fact, Source, Unit
from shared.contracts.bars import BAR_COLUMNS, split_valid
from shared.contracts.weeks import IsoWeek

SMALL = SimulatedSettings(simulated_tickers=4, simulated_sessions=30)


def read(source: Source, unit: Unit) -> list[Any]:
    """The unit's items as values that can be compared."""
    return [i.frame.to_dicts() if isinstance(i, Bars) else i for i in source.read(unit)]


@pytest.fixture(scope="module")
def in_order() -> dict[str, list[Any]]:
    source = SimulatedHistory(SMALL)
    return {unit.id: read(source, unit) for unit in source.units()}


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_units_are_the_same_in_any_order_and_again(in_order: dict[str, list[Any]], data: st.DataObject) -> None:
    source = SimulatedHistory(SMALL)
    units = data.draw(st.lists(st.sampled_from(list(source.units())), min_size=1, max_size=4))
    assert all(read(source, unit) == in_order[unit.id] for unit in units)


def test_every_item_of_bars_is_one_ticker_and_week_and_each_week_comes_once(demo_items: list[Bars | Fact]) -> None:
    seen = set()
    for item in demo_items:
        if isinstance(item, Bars):
            weeks = {IsoWeek.of(instant) for instant in item.frame["timestamp"]}
            tickers = set(item.frame["ticker"])
            assert (len(weeks), len(tickers), item.duplicates, item.rows) == (1, 1, 0, None)
            assert item.frame["timestamp"].is_sorted()
            key = (tickers.pop(), weeks.pop())
            assert key not in seen
            seen.add(key)
    assert len(seen) == 10 * 14


def test_demo_has_the_bars_of_ten_tickers_and_sixty_sessions(demo_bars: pl.DataFrame) -> None:
    assert dict(demo_bars.schema) == BAR_COLUMNS
    assert split_valid(demo_bars)[1].is_empty()
    liquid = demo_bars.filter(pl.col("ticker") == "SIM.ALFA")
    assert liquid["timestamp"].dt.date().n_unique() == 60
    assert 220_000 < demo_bars.height < 236_000


@pytest.mark.parametrize("kind", [SimulatedHistory, SimulatedMacro, SimulatedFilings])
def test_sources_declare_themselves(kind: type[SimulatedHistory | SimulatedMacro | SimulatedFilings]) -> None:
    source: Source = kind(SMALL)
    units = source.units()
    assert (source.name, source.simulated) == ("simulated", True)
    assert len({unit.id for unit in units}) == len(units)
    assert all(unit.weight > 0 for unit in units)
    assert list(kind(SMALL).units()) == list(units)


def test_sources_have_runs_of_their_own() -> None:
    kinds = (SimulatedHistory, SimulatedMacro, SimulatedFilings)
    assert len({kind(SMALL).run_set for kind in kinds}) == 3
    assert len({str(kind(SMALL).identity) for kind in kinds}) == 3


def test_identity_changes_with_the_world_and_not_with_the_pace() -> None:
    base = SimulatedHistory(SMALL).identity
    faster = SMALL.model_copy(update={"simulated_speed": 6000.0})
    other = SMALL.model_copy(update={"simulated_seed": 8})
    assert SimulatedHistory(faster).identity == base
    assert SimulatedHistory(other).identity != base


def test_weights_are_about_the_bars_of_a_unit(in_order: dict[str, list[Any]]) -> None:
    for unit in SimulatedHistory(SMALL).units():
        if not unit.id.endswith("actions"):
            assert unit.weight == pytest.approx(sum(len(item) for item in in_order[unit.id]), rel=0.1)


def test_facts_bear_their_key_and_are_known_by_the_end_of_history() -> None:
    macro, companies = SimulatedMacro(SMALL), SimulatedFilings(SMALL)
    for source, key in ((macro, "series"), (companies, "symbol")):
        items = [item for unit in source.units() for item in source.read(unit)]
        assert items
        for item in items:
            assert isinstance(item, Fact)
            assert item.key == getattr(item.message, key)
            assert item.key.startswith("SIM.")


def test_worlds_differ_by_seed_and_grow_by_tickers_and_sessions(in_order: dict[str, list[Any]]) -> None:
    larger = SimulatedHistory(SMALL.model_copy(update={"simulated_tickers": 12, "simulated_sessions": 90}))
    other = SimulatedHistory(SMALL.model_copy(update={"simulated_seed": 8}))
    january = Unit("SIM.BRAVO/2025-01", 1)
    assert read(larger, january) == in_order[january.id]
    assert read(other, january) != in_order[january.id]


def test_settings_come_by_name_and_refuse_nonsense() -> None:
    assert SimulatedSettings().simulated_start == date(2025, 1, 2)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        SimulatedSettings(simulated_tickers=0)
