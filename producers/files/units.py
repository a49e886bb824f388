"""What all files sources share: each file is a unit, and what is wrong with it comes as refused items."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from producers.files.discovery import SourceFile, find_files
from producers.files.refusal import refused_whole
from producers.source import Item, Unit


class FileUnits(ABC):
    """The units of a folder or file.

    Args:
        root: The folder or file.
    """

    name = "files"
    simulated = False

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _files(self) -> Mapping[str, SourceFile]:
        return {file.relative: file for file in find_files(self._root)}

    def units(self) -> Sequence[Unit]:
        """Return the files."""
        return [file.unit for file in self._files.values()]

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield what a file holds; what is wrong with it comes as refused items."""
        file = self._files[unit.id]
        yield from refused_whole(file, self._read(file))

    @abstractmethod
    def _read(self, file: SourceFile) -> Iterator[Item]:
        """Yield the items of one file.

        Raises:
            PoisonMessageError: the file as a whole is refused.
        """
