from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pytest

from producers.simulated.macro import SERIES, vintages
from producers.simulated.settings import SimulatedSettings
from producers.simulated.timeline import new_york
from producers.simulated.world import World
from shared.contracts.calendar import NEW_YORK, is_session
from shared.contracts.facts import MacroVintage

DAILY = ("SIM.DGS10", "SIM.DGS2", "SIM.T10Y2Y", "SIM.VIXCLS")


@pytest.fixture(scope="module")
def releases() -> dict[str, list[MacroVintage]]:
    world = World(SimulatedSettings(simulated_sessions=250, simulated_start=date(2025, 1, 2)))
    return {series: vintages(world, series, None, world.timeline.history_end) for series in SERIES}


def by_date(found: list[MacroVintage]) -> dict[date, list[MacroVintage]]:
    grouped = defaultdict(list)
    for vintage in found:
        grouped[vintage.date].append(vintage)
    return grouped


def test_series_are_the_eight_default_ones() -> None:
    plain = {"GDPC1", "CPIAUCSL", "FEDFUNDS", "DGS10", "DGS2", "T10Y2Y", "UNRATE", "VIXCLS"}
    assert set(SERIES) == {f"SIM.{name}" for name in plain}


def test_releases_are_observed_in_order_and_after_what_they_describe(releases: dict[str, list[MacroVintage]]) -> None:
    for series, found in releases.items():
        assert [v.released_at for v in found] == sorted(v.released_at for v in found), series
        assert {v.released_basis for v in found} == {"observed"}
        for vintage in found:
            local = vintage.released_at.astimezone(NEW_YORK)
            assert is_session(local.date())
            assert vintage.vintage == local.date()
            assert local.date() >= vintage.date if series in DAILY else local.date() > vintage.date + timedelta(days=27)


def test_series_begin_two_years_before_the_first_session(releases: dict[str, list[MacroVintage]]) -> None:
    assert {found[0].date for found in releases.values()} <= {date(2023, 1, 1), date(2023, 1, 2)}


def test_slope_is_ten_years_minus_two_years(releases: dict[str, list[MacroVintage]]) -> None:
    values = {s: {v.date: v.value for v in releases[s]} for s in DAILY}
    assert values["SIM.T10Y2Y"].keys() == values["SIM.DGS10"].keys() == values["SIM.DGS2"].keys()
    for day, slope in values["SIM.T10Y2Y"].items():
        ten, two = values["SIM.DGS10"][day], values["SIM.DGS2"][day]
        if slope is None:
            assert (ten, two) == (None, None)
        else:
            assert ten is not None and two is not None
            assert slope == pytest.approx(ten - two, abs=1e-9)


def test_daily_series_have_a_null_on_holidays_and_a_value_after_each_close(
    releases: dict[str, list[MacroVintage]],
) -> None:
    for series in DAILY:
        found = by_date(releases[series])
        assert found[date(2025, 1, 9)][0].value is None
        assert found[date(2025, 1, 10)][0].released_at >= new_york(date(2025, 1, 10), 16, 30)
        assert all((v[0].value is not None) == is_session(day) for day, v in found.items())
        assert all(day.weekday() < 5 and len(v) == 1 for day, v in found.items())


def test_product_has_three_estimates_a_month_apart(releases: dict[str, list[MacroVintage]]) -> None:
    estimates = by_date(releases["SIM.GDPC1"])[date(2024, 7, 1)]
    assert [v.released_at for v in estimates] == [
        new_york(day, 8, 30) for day in (date(2024, 10, 28), date(2024, 11, 29), date(2024, 12, 30))
    ]
    assert len({v.value for v in estimates}) == 3


def test_prices_are_released_two_weeks_after_the_month_and_revised_in_february(
    releases: dict[str, list[MacroVintage]],
) -> None:
    found = by_date(releases["SIM.CPIAUCSL"])
    first, revised = found[date(2024, 6, 1)]
    assert first.released_at == new_york(date(2024, 7, 12), 8, 30)
    assert revised.released_at == new_york(date(2025, 2, 12), 8, 30)
    assert first.value != revised.value
    assert len(found[date(2025, 6, 1)]) == 1


def test_unemployment_comes_on_the_first_friday_and_is_sometimes_revised(
    releases: dict[str, list[MacroVintage]],
) -> None:
    found = by_date(releases["SIM.UNRATE"])
    assert found[date(2025, 1, 1)][0].released_at == new_york(date(2025, 2, 7), 8, 30)
    counts = {len(v) for v in found.values()}
    assert counts == {1, 2}
    assert all(v[0].value != v[1].value for v in found.values() if len(v) == 2)


def test_volatility_index_follows_the_market() -> None:
    world = World(SimulatedSettings(simulated_tickers=10, simulated_sessions=250))
    found = vintages(world, "SIM.VIXCLS", None, world.timeline.history_end)
    implied = {v.date: v.value for v in found if v.value is not None}
    realised = []
    for session in world.timeline.history:
        bars = world.columns(world.companies[1], session)
        realised.append(np.std(np.diff(np.log(bars.close))))
    level = np.array([implied[s.day] for s in world.timeline.history])
    assert np.corrcoef(np.log(level), np.log(realised))[0, 1] > 0.5
    assert 8 < level.min() < level.mean() < level.max() < 80


def test_releases_between_two_instants_are_those_of_the_whole() -> None:
    world = World(SimulatedSettings(simulated_sessions=40))
    middle, end = world.timeline.session(13).at(16, 30), world.timeline.history_end
    for series in SERIES:
        parts = vintages(world, series, None, middle) + vintages(world, series, middle, end)
        assert parts == vintages(world, series, None, end)
