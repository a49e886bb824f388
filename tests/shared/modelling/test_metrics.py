"""Metrics against scikit-learn and scipy, or plain numpy where those are what is used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as oracle

from shared.modelling.baselines import direction_baselines, return_baselines
from shared.modelling.metrics import (
    CLASSIFICATION,
    REGRESSION,
    direction_scores,
    executable_scores,
    probability_scores,
    return_scores,
    squared_errors,
)

returns = arrays(np.float64, 40, elements=st.floats(-0.05, 0.05, allow_subnormal=False).map(lambda x: round(x, 6)))


@settings(max_examples=25)
@given(returns, returns)
def test_return_scores_agree_with_scikit_learn_and_scipy(label, answer):
    scores = return_scores(label, answer)
    assert scores["mse"] == pytest.approx(oracle.mean_squared_error(label, answer))
    assert scores["rmse"] == pytest.approx(oracle.root_mean_squared_error(label, answer))
    assert scores["mae"] == pytest.approx(oracle.mean_absolute_error(label, answer))
    if np.std(label) > 1e-9:
        assert scores["r2"] == pytest.approx(oracle.r2_score(label, answer))
    if np.std(label) > 1e-9 and np.std(answer) > 1e-9:
        assert scores["information_coefficient"] == pytest.approx(stats.pearsonr(answer, label).statistic, abs=1e-9)
        assert scores["rank_information_coefficient"] == pytest.approx(stats.spearmanr(answer, label).statistic)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100)), min_size=1, max_size=60))
def test_probability_scores_agree_with_scikit_learn(rows):
    up, probability = np.array([u for u, _ in rows]), np.array([p / 100 for _, p in rows])
    scores, said = probability_scores(up, probability), probability > 0.5
    assert scores["accuracy"] == pytest.approx(oracle.accuracy_score(up, said))
    assert scores["brier"] == pytest.approx(oracle.brier_score_loss(up, probability, pos_label=True))
    held = np.clip(probability, 1e-6, 1 - 1e-6)
    assert scores["log_loss"] == pytest.approx(oracle.log_loss(up, held, labels=[False, True]))
    assert scores["precision"] == (pytest.approx(oracle.precision_score(up, said)) if said.any() else None)
    assert scores["recall"] == (pytest.approx(oracle.recall_score(up, said)) if up.any() else None)
    assert scores["f1"] == (pytest.approx(oracle.f1_score(up, said)) if up.any() or said.any() else None)
    assert scores["auc"] == (
        pytest.approx(oracle.roc_auc_score(up, probability)) if up.any() and not up.all() else None
    )


def test_scores_no_rows_are_null():
    nothing = np.empty(0)
    assert return_scores(nothing, nothing) == dict.fromkeys(REGRESSION)
    assert probability_scores(nothing > 0, nothing) == dict.fromkeys(CLASSIFICATION)
    assert executable_scores(nothing, nothing)["mean_return"] is None


def test_scores_constant_answers_have_no_coefficient():
    label = np.array([0.1, -0.2, 0.3])
    scores = return_scores(label, np.full(3, 0.1 + 1e-17))
    assert scores["information_coefficient"] is None
    assert scores["rank_information_coefficient"] is None
    assert return_scores(np.zeros(3), label)["r2"] is None


def test_executable_scores_count_what_could_be_had():
    got = np.array([0.01, -0.02, np.nan, 0.03])
    scores = executable_scores(got, np.array([2.0, 1.0, 5.0, -1.0]))
    assert scores["rows"] == 3
    assert scores["mean_return"] == pytest.approx((0.01 - 0.02 - 0.03) / 3)


def test_return_baselines_score_the_naive_answers():
    label, last = np.array([0.01, -0.02, 0.03]), np.array([np.nan, 0.01, -0.02])
    scores = return_baselines(label, last, np.full(3, 0.005))
    assert scores["zero"]["mse"] == pytest.approx(np.mean(label**2))
    assert scores["last"]["mse"] == pytest.approx(np.mean(squared_errors(label, np.array([0.0, 0.01, -0.02]))))
    assert scores["training_mean"]["mae"] == pytest.approx(np.mean(np.abs(label - 0.005)))


def test_direction_baselines_score_the_naive_answers():
    up = np.array([True, True, False, True])
    scores = direction_baselines(up, np.array([0.1, -0.1, np.nan, 0.1]), np.full(4, 0.6))
    assert scores["majority_class"]["accuracy"] == 0.75
    assert scores["majority_class"]["log_loss"] is None
    assert scores["training_prior"]["log_loss"] == pytest.approx(-(3 * np.log(0.6) + np.log(0.4)) / 4)
    assert scores["training_prior"]["auc"] == 0.5
    assert scores["last"]["accuracy"] == 0.75


def test_direction_scores_have_no_probabilities():
    scores = direction_scores(np.array([True, False]), np.array([True, True]))
    assert scores["log_loss"] is None
    assert scores["brier"] is None
