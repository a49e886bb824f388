"""What verdicts are worth: planted signals are found, noise is not, and a placebo never has skill.

The fast sizes. With a perfect model of coefficient c the gain over zero has the t-value c / 2 * sqrt(rows), where rows
are observations of their own. So labels of one minute carry the most: 60 sessions of 130 minutes, 48 of them tested,
are 6,240 rows, and the strength planted in them is 0.14 (t about 5.5). The torture runs have the contract's own
strength, 0.05, at five overlapping minutes: once in a fast signal (400 sessions), once in momentum that lasts ten
minutes (800 sessions, for there a session holds few observations), and 200 noise models of 60 full sessions.
"""

from itertools import chain

import numpy as np
import polars as pl
import pytest

from shared.contracts.training import MODEL_KINDS, Verdict
from shared.modelling.evaluate import evaluate
from shared.modelling.evaluation import Primary
from shared.modelling.kinds import KINDS
from shared.modelling.train_ticker import prepare
from shared.modelling.verdict import judge
from tests.shared.modelling.worlds import (
    FEATURES,
    MOMENTUM_FEATURES,
    momentum_rows,
    planted_rows,
    request,
    shuffled_by_session,
)

SEEDS = 20


def primaries(rows: pl.DataFrame, horizon: int, features: tuple[str, ...] = FEATURES) -> list[Primary]:
    """The primary loss of each kind: evaluation alone, without the final fit."""
    prepared = prepare(rows, request(features=features, horizon_minutes=horizon))
    kinds = [KINDS["lightgbm"][name] for name in MODEL_KINDS]
    return [evaluate(prepared.data, kind, prepared.folds, 7, 1, lambda _: None).primary for kind in kinds]


def by_kind(found: list[list[Primary]]) -> dict[str, list[Verdict]]:
    """The verdicts over the whole run, by kind."""
    verdicts = judge([primary for ticker in found for primary in ticker])
    return {kind: verdicts[place :: len(MODEL_KINDS)] for place, kind in enumerate(MODEL_KINDS)}


def assert_found(found: list[list[Primary]]) -> None:
    for kind, verdicts in by_kind(found).items():
        assert verdicts.count("skill") >= 0.95 * len(verdicts), (kind, verdicts)


def assert_not_found(found: list[list[Primary]]) -> None:
    verdicts = [verdict for verdicts in by_kind(found).values() for verdict in verdicts]
    assert verdicts.count("skill") <= 0.05 * len(verdicts), verdicts
    assert "insufficient" not in verdicts


def test_planted_signal_is_found():
    assert_found([primaries(planted_rows(seed, 60, 130, 0.14), 1) for seed in range(SEEDS)])


def test_noise_is_not_found():
    assert_not_found([primaries(planted_rows(seed, 26, 60, 0.0), 5) for seed in range(100, 134)])


def test_placebo_has_no_skill():
    """Strong signals beside the prices of other sessions: what is left is what sessions have in common, nothing."""
    rows = [planted_rows(seed, 60, 130, 0.2) for seed in range(4)]
    honest = by_kind([primaries(frame, 1) for frame in rows])
    placebo = by_kind([primaries(shuffled_by_session(frame, 130, seed), 1) for seed, frame in enumerate(rows)])
    assert set(chain(*honest.values())) == {"skill"}
    assert "skill" not in chain(*placebo.values())


@pytest.mark.torture
def test_planted_signal_of_five_hundredths_is_found():
    # One minute's return is a fifth of the variance of five minutes', so 0.05 of five is 0.05 * sqrt(5) of one.
    assert_found([primaries(planted_rows(seed, 400, 390, 0.05 * 5**0.5), 5) for seed in range(SEEDS)])


@pytest.mark.torture
def test_planted_momentum_of_five_hundredths_is_found():
    found, coefficients = [], []
    for seed in range(SEEDS):
        rows = momentum_rows(seed, 800, 0.05)
        found.append(primaries(rows, 5, MOMENTUM_FEATURES))
        day = rows.with_columns(day=pl.col("timestamp").dt.date())
        label = day.select((pl.col("close").shift(-5) / pl.col("close") - 1).over("day")).to_series()
        coefficients.append(pl.DataFrame({"x": rows["past_10"], "y": label}).select(pl.corr("x", "y")).item())
    assert np.mean(coefficients) == pytest.approx(0.05, abs=0.01)
    assert_found(found)


@pytest.mark.torture
def test_two_hundred_noise_models_are_not_found():
    assert_not_found([primaries(planted_rows(seed, 60, 390, 0.0), 5) for seed in range(1000, 1067)])
