"""Tables made from a frame of facts once and kept while the same frame is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import polars as pl

from shared.contracts.lake import KNOWN_AT, Dataset
from shared.contracts.versions import strongest_last

T = TypeVar("T")


class _Same:
    """A frame by its identity: frames are never changed, and comparing their content would cost more than the table."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame  # held, so that its id is not given to another frame

    def __hash__(self) -> int:
        return id(self.frame)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.frame is self.frame


def kept(frames: int) -> Callable[[Callable[[pl.DataFrame], T]], Callable[[pl.DataFrame], T]]:
    """Return a decorator: keep the results for the `frames` frames that were asked for last."""

    def decorate(make: Callable[[pl.DataFrame], T]) -> Callable[[pl.DataFrame], T]:
        @lru_cache(maxsize=frames)
        def made(same: _Same) -> T:
            return make(same.frame)

        @wraps(make)
        def lookup(frame: pl.DataFrame) -> T:
            return made(_Same(frame))

        return lookup

    return decorate


def by_knowledge(dataset: Dataset, facts: pl.DataFrame) -> pl.DataFrame:
    """Return versions in the order in which they take effect, whatever order they came in: the later one wins."""
    return strongest_last(dataset, facts).sort(KNOWN_AT, maintain_order=True)
