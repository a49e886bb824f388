"""Expanding folds by sessions: fit on the past, test on the next block of sessions; purged, with an embargo."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 4


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to fit on and to test on, ascending. `purged` rows of the past were left out of `train`."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    purged: int


def expanding_folds(
    sessions: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    embargo: int,
    count: int = FOLDS,
) -> list[Fold]:
    """Cut the sessions into `count` + 1 blocks of equal size; each block but the first is tested once.

    A row of the past is purged unless its label ends at least `embargo` before the first label of the test block
    begins: nothing that a fold is fitted on overlaps, or nearly touches, what it is tested on (López de Prado,
    Advances in Financial Machine Learning, 7.4; with the past alone to fit on, one embargo before the test suffices).

    Args:
        sessions: Session of each row, ascending.
        starts: When each row's label begins (the close of its bar), in any unit.
        ends: When each row's label ends, the same unit.
        embargo: The gap between what is fitted on and what is tested on, the same unit.
        count: Folds wanted; with fewer sessions than that there are fewer folds.
    """
    distinct = np.unique(sessions)
    blocks = np.array_split(distinct, min(count, len(distinct) - 1) + 1) if len(distinct) > 1 else []
    folds = []
    for block in blocks[1:]:
        past = np.flatnonzero(sessions < block[0])
        test = np.flatnonzero((sessions >= block[0]) & (sessions <= block[-1]))
        train = past[ends[past] + embargo <= starts[test].min()]
        if len(train):
            folds.append(Fold(train, test, len(past) - len(train)))
    return folds
