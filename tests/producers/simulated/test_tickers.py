import re

import pytest

from producers.simulated.tickers import ROLES, company, ticker_name
from shared.contracts.bars import NAME_PATTERN, SIMULATED_PREFIX


def test_ticker_names_are_unique_and_keep_the_contract() -> None:
    names = [ticker_name(index) for index in range(2000)]
    assert len(set(names)) == len(names)
    assert all(name.startswith(SIMULATED_PREFIX) and re.fullmatch(NAME_PATTERN, name) for name in names)
    assert names[:3] == ["SIM.ALFA", "SIM.BRAVO", "SIM.CHARLIE"]


def test_company_depends_on_seed_and_index_only() -> None:
    assert company(7, 3) == company(7, 3)
    assert company(7, 3).cents != company(8, 3).cents
    assert len({company(7, index).cents for index in range(100)}) > 90


@pytest.mark.parametrize("index", range(len(ROLES)))
def test_company_price_makes_a_cent_small_against_a_minute(index: int) -> None:
    listed = company(7, index)
    ratio = listed.role.split[0] if listed.role.split else 1
    cents = listed.cents / ratio
    calm_minute = cents * listed.volatility / 390**0.5 * 0.5
    assert 100_00 <= cents <= 350_00
    assert calm_minute > 2.0


def test_roles_plant_in_half_of_the_tickers_only() -> None:
    strengths = [role.plant.information_coefficient if role.plant else 0.0 for role in ROLES]
    assert sorted(strengths) == [0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 0.05, 0.1, 0.1, 0.2]
