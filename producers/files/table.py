"""A file as a table, whatever its format: what its header tells, then its rows in batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import polars as pl

from producers.source import Item


class Recognised(Protocol):
    """What a header tells; `width` is how many columns it has."""

    @property
    def width(self) -> int: ...


S = TypeVar("S", bound=Recognised)
Recognise = Callable[[Sequence[str]], S]
"""Turns the names of a file's columns into what they mean; raises PoisonMessageError where they mean nothing."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, as text or typed.

    Attributes:
        cells: `row` (Int64, 1 = first after the header), the columns that were asked for, and `reason` (text) where a
            row is damaged before its cells are looked at.
        raw: Gives the bytes of the row at an index of `cells`.
    """

    cells: pl.DataFrame
    raw: Callable[[int], bytes]


class Table(Protocol):
    """An open file."""

    def batches(self, names: dict[str, int]) -> Iterator[Batch | Item]:
        """Yield the rows, the columns at positions `names` only, and items for what is damaged among them."""
        ...
