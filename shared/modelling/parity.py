"""The gate before serving: the graph answers as the fitted model does."""

import numpy as np
from numpy.typing import NDArray

from shared.errors import TickerstreamError
from shared.modelling.manifest import Parity

LARGEST_DIFFERENCE = 1e-6
LARGEST_SHARE = 1e-3  # of the standard deviation of the answers
_ROUNDING = 1e-12  # answers that deviate less are all one


class ParityError(TickerstreamError):
    """The served graph answers differently from the fitted model, so the model must not be served."""


def parity(fitted: NDArray[np.float64], served: NDArray[np.float64], rows_with_nulls: int) -> Parity:
    """Compare the fitted model's answers with the graph's on the same rows.

    Raises:
        ParityError: one differs by more than LARGEST_DIFFERENCE, or by more than LARGEST_SHARE of the deviation.
    """
    largest, deviation = float(np.max(np.abs(fitted - served))), float(np.std(fitted))
    if not within_parity(largest, deviation):
        raise ParityError(
            f"the converted model differs from the fitted one by up to {largest:.3g} on {len(fitted)} rows, where"
            f" answers deviate by {deviation:.3g}. It is not served; this is a defect of the conversion: report it."
        )
    return Parity(rows=len(fitted), rows_with_nulls=rows_with_nulls, largest=largest, deviation=deviation)


def within_parity(largest: float, deviation: float) -> bool:
    """Return whether a difference is allowed; where all answers are one, only LARGEST_DIFFERENCE counts."""
    share = LARGEST_SHARE * deviation if deviation > _ROUNDING else LARGEST_DIFFERENCE
    return largest <= min(LARGEST_DIFFERENCE, share)  # false for NaN
