"""What is decoded and not yet in the lake, by object."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from consumers.decoded import Part
from consumers.lineage import Lineage
from shared.contracts.fact_frames import Row, frames_of_rows
from shared.contracts.lake import Dataset
from shared.ports import Position

_MOST_FRAMES: Final = 64


@dataclass(slots=True)
class OpenObject:
    """What waits to be added to one object, and the records that it came from."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    lineage: Lineage = field(default_factory=Lineage)
    weight: int = 0

    def add(self, part: Part, position: Position) -> None:
        """Take what a record adds."""
        self.lineage.add(position)
        self.weight += part.weight
        if isinstance(part.content, pl.DataFrame):
            self.frames.append(part.content)
        else:
            self.rows.append(part.content)
        if len(self.frames) >= _MOST_FRAMES:
            self.frames = [pl.concat(self.frames, rechunk=True)]
            self.weight = self.frames[0].height

    def all_frames(self, dataset: Dataset) -> list[pl.DataFrame]:
        """Return everything as frames for `union_versions`."""
        return [*self.frames, *frames_of_rows(dataset, self.rows)]


class OpenObjects:
    """The objects that wait to be written, oldest first."""

    def __init__(self) -> None:
        self._objects: dict[str, OpenObject] = {}
        self.weight = 0
        """The memory that it takes, in bars (150 bytes)."""

    def add(self, part: Part, position: Position) -> None:
        """Take what a record adds to one object."""
        one = self._objects.setdefault(part.name, OpenObject())
        before = one.weight
        one.add(part, position)
        self.weight += one.weight - before

    def remove(self, name: str) -> None:
        """Forget an object that is durable now."""
        self.weight -= self._objects.pop(name).weight

    def clear(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self.weight = 0

    def __iter__(self) -> Iterator[tuple[str, OpenObject]]:
        return iter(list(self._objects.items()))
