"""How each kind of slow fact lies in its table: one row a version, a filing's statement as one document."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import TextClause, text

from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, Dataset

Fact: TypeAlias = MacroVintage | Filing | CorporateAction


@dataclass(frozen=True, slots=True, eq=False)
class FactTable:
    """A table of versions.

    Attributes:
        name: Its name.
        dataset: The lake's dataset of the same facts.
        owner: Column of the ticker, symbol or series.
    """

    name: str
    dataset: Dataset
    owner: str

    @property
    def columns(self) -> list[str]:
        """Return the columns of a version, without its hash and its place in the sequence."""
        return [*self.dataset.columns, *(["statement"] if self.dataset.open_columns else []), "ingested_at"]

    def insert(self) -> TextClause:
        """Return the statement that adds versions (:rows, JSON) and returns the hashes of those that are new."""
        columns = ", ".join(f'"{name}"' for name in ("version", *self.columns))
        return text(f"""
            INSERT INTO {self.name} AS stored ({columns})
            SELECT {columns} FROM jsonb_populate_recordset(NULL::{self.name}, CAST(:rows AS jsonb))
            ON CONFLICT (version) DO UPDATE SET ingested_at = excluded.ingested_at, sequence = excluded.sequence
            WHERE stored.ingested_at > excluded.ingested_at
            RETURNING version, xmax = 0 AS fresh
        """)  # noqa: S608  constants

    def select(self, where: str) -> TextClause:
        """Return the query for the versions that `where` (SQL with :names) keeps."""
        columns = ", ".join(f'"{name}"' for name in self.columns)
        return text(f"SELECT {columns} FROM {self.name} WHERE {where}")  # noqa: S608  constants

    def rivals(self) -> TextClause:
        """Return the query for all versions of the facts that some versions (:versions, bytea[]) are about."""
        key = ", ".join(f'"{name}"' for name in self.dataset.natural_key)
        own = f"SELECT {key} FROM {self.name} WHERE version = ANY(CAST(:versions AS bytea[]))"  # noqa: S608  constants
        return self.select(f"({key}) IN ({own})")


VINTAGES: Final = FactTable("macro_vintages", MACRO, "series")
FILINGS: Final = FactTable("filings", FUNDAMENTALS, "symbol")
ACTION_TABLE: Final = FactTable("corporate_actions", ACTIONS, "ticker")
_TABLES: Final[dict[type[Fact], FactTable]] = {
    MacroVintage: VINTAGES,
    Filing: FILINGS,
    CorporateAction: ACTION_TABLE,
}


def table_of(fact: Fact) -> FactTable:
    """Return the table that a fact belongs to."""
    return _TABLES[type(fact)]


def version_of(fact: Fact) -> bytes:
    """Return a hash of everything that the fact says."""
    said = json.dumps(fact.model_dump(mode="json"), sort_keys=True)
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def document_of(fact: Fact, ingested_at: datetime) -> dict[str, Any]:
    """Return a version as the JSON object that becomes its row."""
    said = fact.model_dump(mode="json")
    if isinstance(fact, Filing):
        said = {name: said[name] for name in FUNDAMENTALS.columns} | {"statement": fact.statement}
    return {**said, "version": f"\\x{version_of(fact).hex()}", "ingested_at": ingested_at.isoformat()}
