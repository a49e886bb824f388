"""Verdicts: intervals by whole sessions, and Benjamini-Hochberg over the models of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shared.contracts.training import Verdict
from shared.modelling.evaluation import Primary
from shared.modelling.metrics import Floats

MIN_TEST_SESSIONS = 20
FALSE_DISCOVERY_RATE = 0.05
COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean gain a row over the baseline, its interval, and the one-sided probabilities of seeing it by chance."""

    mean: float
    low: float
    high: float
    p_skill: float
    p_worse: float


def gain_by_sessions(gains: Floats, sessions: NDArray[np.int64]) -> Gain | None:
    """Return the mean of `gains` with an interval that takes each session as one observation.

    Labels overlap and volatility clusters inside a session, so rows are no independent observations; sessions nearly
    are. This is the ratio estimator of cluster sampling with Student's t (Cochran, Sampling Techniques, 3rd ed., 6.4;
    the Diebold-Mariano test with sessions as blocks). Null under two sessions.
    """
    _, block = np.unique(sessions, return_inverse=True)
    count = int(block.max()) + 1 if len(block) else 0
    if count < 2:
        return None
    sums, rows = np.bincount(block, gains), np.bincount(block)
    mean = float(sums.sum() / rows.sum())
    spread = np.sum((sums - mean * rows) ** 2) * count / (count - 1)
    error = float(np.sqrt(spread) / rows.sum())
    if error <= 1e-12 * abs(mean) or error == 0.0:  # the model says what the baseline says
        return Gain(mean, mean, mean, 1.0, 1.0)
    half = float(stats.t.ppf(0.5 + COVERAGE / 2, count - 1)) * error
    skill = float(stats.t.sf(mean / error, count - 1))
    return Gain(mean, mean - half, mean + half, skill, 1.0 - skill)


def judge(primaries: Sequence[Primary], models_in_run: int | None = None) -> list[Verdict]:
    """Return the verdict of each model of one run.

    Args:
        primaries: The models that are evaluated so far.
        models_in_run: How many the run will have; those not yet known count as p = 1. So a verdict given early can
            only turn from "no skill" to "skill" or "worse" when the run is complete, never back.
    """
    total = max(models_in_run or 0, len(primaries))
    skilled = _discoveries([p.p_skill for p in primaries], total)
    worse = _discoveries([p.p_worse for p in primaries], total)
    return [
        _verdict(primary, is_skilled, is_worse)
        for primary, is_skilled, is_worse in zip(primaries, skilled, worse, strict=True)
    ]


def _verdict(primary: Primary, skilled: bool, worse: bool) -> Verdict:
    if primary.p_skill is None:
        return "insufficient"
    if skilled:
        return "skill"
    return "worse" if worse else "no skill"


def _discoveries(p_values: Sequence[float | None], total: int) -> list[bool]:
    """Return which hypotheses Benjamini and Hochberg (1995) reject; null and missing ones count as p = 1."""
    ranked = sorted(1.0 if p is None else p for p in p_values)
    allowed = [p for place, p in enumerate(ranked, start=1) if p <= FALSE_DISCOVERY_RATE * place / total]
    bound = allowed[-1] if allowed else -1.0
    return [p is not None and p <= bound for p in p_values]
