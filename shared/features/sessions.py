"""The exchange calendar as arrays beside minute bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.features.arrays import Ints


@dataclass(frozen=True, slots=True)
class Sessions:
    """Where each bar lies in the calendar.

    Attributes:
        day: Ordinal of the session of the bar's New York date (1 more than the session's before); -1 where the date
            is no session.
        regular: Whether the bar lies in the regular session, [open, close).
        minute: Minutes since that session's open, negative before it.
        length: Minutes of that session.
        seen: How many sessions with bars have begun since the first bar, this row's included.
    """

    day: Ints
    regular: NDArray[np.bool_]
    minute: Ints
    length: Ints
    seen: Ints

    @classmethod
    def of(cls, minutes: Ints) -> Sessions:
        """Return the calendar at these minutes (since 1970, UTC, increasing)."""
        raise NotImplementedError

    def cut(self, first: int, end: int | None = None) -> Sessions:
        """Return the rows [first, end)."""
        raise NotImplementedError
