"""What the files sources of macro series and of filings share: each table has facts of one kind."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile, identity_of, place_of
from producers.files.formats import open_table
from producers.files.parquet_table import ParquetTable
from producers.files.refusal import until_too_many
from producers.files.units import FileUnits
from producers.source import Fact, Item, Note
from shared.errors import PoisonMessageError

WRONG_HEADER: Final = "wrong_header"


class FactFiles(FileUnits):
    """Source of facts from a folder or file of CSV, CSV.gz or Parquet.

    Args:
        root: The folder or file.
        only: Series or symbols; empty: all.
        reject_share_max: A file with a greater share of refused rows is given up.
    """

    kind: str

    def __init__(self, root: Path, only: frozenset[str], reject_share_max: float) -> None:
        super().__init__(root)
        self._only = only
        self._reject_share_max = reject_share_max

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return the state of the files and what of them is taken."""
        return {self.kind: identity_of(tuple(self._files.values())), "only": sorted(self._only)}

    @property
    def run_set(self) -> str:
        """Return the place and what of it is taken."""
        return f"files {self.kind} {place_of(self._root)} {','.join(sorted(self._only))}".strip()

    def _read(self, file: SourceFile) -> Iterator[Item]:
        table = open_table(file)
        if table is None:
            yield Note(file.origin, "skipped: it is not CSV, CSV.gz or Parquet")
            return
        try:
            for item in until_too_many(file, self._facts(file, table), self._reject_share_max):
                if not isinstance(item, Fact) or not self._only or item.key in self._only:
                    yield item
        except PoisonMessageError as error:
            if error.error_class != WRONG_HEADER or len(self._files) == 1:
                raise
            yield Note(file.origin, f"skipped: {error.reason}")  # other tables lie in the same folder

    @abstractmethod
    def _facts(self, file: SourceFile, table: CsvText | ParquetTable) -> Iterator[Item]:
        """Yield the facts of one table; also those not wanted, where a refused row does not tell whose it is.

        Raises:
            PoisonMessageError: the file as a whole is refused.
        """


def reason_of(error: ValidationError | ValueError) -> str:
    """Return one line that says what is wrong with a row."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return str(error)
