import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from producers.simulated.planting import HORIZON_MINUTES, Plant, drift_weight, expected_coefficient, with_drift
from producers.simulated.shape import FULL_DAY, shape


def returns_by_definition(innovations: NDArray[np.float64], window: int, weight: float) -> NDArray[np.float64]:
    """The module's formula, written down as it stands."""
    returns = innovations.copy()
    for t in range(window + 1, len(returns)):
        returns[t] += weight * returns[t - window : t].sum()
    return returns


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=120), st.integers(1, 30), st.floats(-0.05, 0.05))
def test_drift_follows_its_formula(innovations: list[float], window: int, weight: float) -> None:
    given_ = np.array(innovations)
    expected = returns_by_definition(given_, window, weight)
    assert with_drift(given_, window, weight) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 99), st.integers(1, 30), st.randoms(use_true_random=False))
def test_drift_never_looks_ahead(upto: int, window: int, random: object) -> None:
    rng = np.random.default_rng(upto * 31 + window)
    one = rng.standard_normal(100)
    other = np.concatenate([one[:upto], rng.standard_normal(100 - upto)])
    assert np.array_equal(with_drift(one, window, 0.03)[:upto], with_drift(other, window, 0.03)[:upto])


@pytest.mark.parametrize("mechanism", ["momentum", "reversal"])
@pytest.mark.parametrize("window", [5, 10, 30])
@pytest.mark.parametrize("coefficient", [0.01, 0.05, 0.1, 0.2])
def test_weight_gives_the_stated_coefficient_in_expectation(mechanism: str, window: int, coefficient: float) -> None:
    plant = Plant(mechanism, window, coefficient)  # type: ignore[arg-type]
    assert plant.sign * expected_coefficient(window, drift_weight(plant)) == pytest.approx(coefficient, abs=2e-5)


def test_expected_coefficient_agrees_with_a_simulation() -> None:
    window, weight, days = 10, 0.03, 4000
    rng = np.random.default_rng(1)
    innovations = rng.standard_normal((days, FULL_DAY)) * shape(FULL_DAY, extended=False).volatility
    closes = np.cumsum([returns_by_definition(day, window, weight) for day in innovations], axis=1)
    known = closes[:, window:-HORIZON_MINUTES]
    past, ahead = known - closes[:, : known.shape[1]], closes[:, window + HORIZON_MINUTES :] - known
    found = np.sum(past * ahead) / np.sqrt(np.sum(past**2) * np.sum(ahead**2))
    assert found == pytest.approx(expected_coefficient(window, weight), abs=0.01)


def test_no_weight_means_no_prediction() -> None:
    assert expected_coefficient(10, 0.0) == 0.0
