"""Verdicts: intervals by whole sessions, and Benjamini-Hochberg over the models of a run."""

from collections.abc import Sequence

from shared.contracts.training import Verdict
from shared.modelling.evaluation import Primary

MIN_TEST_SESSIONS = 20
FALSE_DISCOVERY_RATE = 0.05


def judge(primaries: Sequence[Primary], models_in_run: int | None = None) -> list[Verdict]:
    """Return the verdict of each model of one run.

    Args:
        primaries: The models that are evaluated so far.
        models_in_run: How many the run will have; those not yet known count as p = 1. So a verdict given early can
            only turn from "no skill" to "skill" or "worse" when the run is complete, never back.
    """
    raise NotImplementedError
