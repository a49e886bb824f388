"""Verdicts: intervals that hold what they promise, and Benjamini-Hochberg against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shared.modelling.evaluation import Primary
from shared.modelling.verdict import gain_by_sessions, judge


def primary(p_skill: float | None) -> Primary:
    worse = None if p_skill is None else 1 - p_skill
    return Primary(
        loss_name="mse", baseline_name="zero", rows=100, sessions=30, gain=0.0, p_skill=p_skill, p_worse=worse
    )


def test_gain_equal_sessions_is_a_t_test_of_their_means():
    random = np.random.default_rng(1)
    gains = random.standard_normal((25, 40)) + random.standard_normal((25, 1)) * 2 + 0.3
    gain = gain_by_sessions(gains.ravel(), np.repeat(np.arange(25), 40))
    oracle = stats.ttest_1samp(gains.mean(axis=1), 0, alternative="greater")
    interval = stats.ttest_1samp(gains.mean(axis=1), 0).confidence_interval(0.95)
    assert gain is not None
    assert gain.p_skill == pytest.approx(oracle.pvalue)
    assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high))
    assert gain.p_skill + gain.p_worse == pytest.approx(1)


def test_gain_overlapping_rows_keeps_its_promise():
    """Gains that hang together inside a session: the interval misses zero about as often as it says, not more."""
    random = np.random.default_rng(2)
    sessions = np.repeat(np.arange(30), 60)
    missed = 0
    for _ in range(400):
        slow = np.convolve(random.standard_normal(1800 + 29), np.ones(30), "valid")
        gain = gain_by_sessions(slow, sessions)
        assert gain is not None
        missed += gain.low > 0 or gain.high < 0
    assert missed <= 400 * 0.09  # 5 % promised; neighbouring sessions share the ends of a window


def test_gain_one_session_is_none():
    assert gain_by_sessions(np.ones(5), np.zeros(5, dtype=np.int64)) is None
    assert gain_by_sessions(np.empty(0), np.empty(0, dtype=np.int64)) is None


def test_gain_model_that_says_the_baseline_proves_nothing():
    gain = gain_by_sessions(np.zeros(50), np.repeat(np.arange(25), 2))
    assert gain is not None
    assert (gain.p_skill, gain.p_worse) == (1.0, 1.0)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_judge_agrees_with_scipy(p_values):
    adjusted = stats.false_discovery_control(p_values)
    verdicts = judge([primary(p) for p in p_values])
    for p, bound, verdict in zip(p_values, adjusted, verdicts, strict=True):
        if abs(bound - 0.05) > 1e-9:
            assert (verdict == "skill") == (bound <= 0.05), p


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.data())
def test_judge_early_skill_is_never_taken_back(p_values, data):
    known = data.draw(st.integers(1, len(p_values)))
    early = judge([primary(p) for p in p_values[:known]], models_in_run=len(p_values))
    late = judge([primary(p) for p in p_values])[:known]
    for before, after in zip(early, late, strict=True):
        assert before in (after, "no skill")


def test_judge_names_all_four():
    verdicts = judge([primary(1e-9), primary(0.5), primary(1 - 1e-9), primary(None)])
    assert verdicts == ["skill", "no skill", "worse", "insufficient"]


def test_judge_a_lone_five_percent_among_many_is_no_skill():
    assert judge([primary(0.04)]) == ["skill"]
    assert judge([primary(0.04)], models_in_run=2) == ["no skill"]
