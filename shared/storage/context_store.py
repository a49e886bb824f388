"""The slow facts in PostgreSQL: every version of macro vintages, filings and corporate actions, as in the lake."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import Connection, RowMapping, text

from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.fact_frames import Row, frames_of_rows
from shared.contracts.lake import KNOWN_AT
from shared.contracts.versions import INGESTED_AT, union_versions
from shared.features.context import Context
from shared.storage.context_tables import (
    ACTION_TABLE,
    FILINGS,
    VINTAGES,
    Fact,
    FactTable,
    document_of,
    table_of,
    version_of,
)

__all__ = ["ContextStore", "Fact", "NewFact"]

_DIGEST: Final = text(
    """
    SELECT (SELECT (count(*), max(sequence)) FROM macro_vintages)::text
        || (SELECT (count(*), max(sequence)) FROM filings)::text
        || (SELECT (count(*), max(sequence)) FROM corporate_actions)::text
    """
)


@dataclass(frozen=True, slots=True)
class NewFact:
    """A version that was not stored before, and from when it may be used (by the rules of the lake's versions)."""

    fact: Fact
    known_at: datetime


class ContextStore:
    """Keeps the facts as sets of versions: any order, split or repetition of additions gives the same context.

    Every method works in the caller's transaction.
    """

    def add(self, connection: Connection, facts: Iterable[tuple[Fact, datetime]]) -> list[NewFact]:
        """Store facts, each with Kafka's time of its record; return those that were not stored before.

        A version that comes again keeps the least time at which it was received.
        """
        received: dict[FactTable, dict[bytes, tuple[Fact, datetime]]] = {}
        for fact, at in facts:
            versions, version = received.setdefault(table_of(fact), {}), version_of(fact)
            if version not in versions or at < versions[version][1]:
                versions[version] = (fact, at)
        return [new for table, versions in received.items() for new in self._add(connection, table, versions)]

    def context(self, connection: Connection, ticker: str, macro: pl.DataFrame | None = None) -> Context:
        """Return what there is for one ticker: all macro series of its world, its filings and its actions.

        A ticker of the simulated exchange sees simulated series only, any other one real series only.

        Args:
            connection: Of the caller's transaction.
            ticker: Whose.
            macro: What `macro` returned, where the caller keeps it; else it is read.
        """
        if macro is None:
            macro = self.macro(connection, simulated=ticker.startswith(SIMULATED_PREFIX))
        owner = {"owner": ticker}
        filings, actions = (_read(connection, table, f"{table.owner} = :owner", owner) for table in _OF_TICKERS)
        return Context(macro, filings, actions)

    def macro(self, connection: Connection, *, simulated: bool) -> pl.DataFrame:
        """Return every version of the macro series, of the simulated ones or of the real ones, in lake columns."""
        return _read(connection, VINTAGES, "simulated = :simulated", {"simulated": simulated})

    def digest(self, connection: Connection) -> str:
        """Return a short text that is equal while nothing was added or changed: for keeping contexts in memory."""
        return str(connection.execute(_DIGEST).scalar_one())

    def _add(
        self, connection: Connection, table: FactTable, versions: Mapping[bytes, tuple[Fact, datetime]]
    ) -> list[NewFact]:
        rows = json.dumps([document_of(fact, at) for fact, at in versions.values()])
        found = connection.execute(table.insert(), {"rows": rows})
        fresh = [bytes(row.version) for row in found if row.fresh]
        if not fresh:
            return []
        rivals = connection.execute(table.rivals(), {"versions": fresh}).mappings()
        known = _known_times(table, _united(table, rivals))
        placed = ((versions[version], _place(table, *versions[version])) for version in fresh)
        return [NewFact(fact, known[place]) for (fact, _), place in placed if place in known]


_OF_TICKERS: Final = (FILINGS, ACTION_TABLE)
_Place = tuple[object, ...]


def _read(connection: Connection, table: FactTable, where: str, arguments: Mapping[str, object]) -> pl.DataFrame:
    return _united(table, connection.execute(table.select(where), arguments).mappings())


def _united(table: FactTable, rows: Iterable[RowMapping]) -> pl.DataFrame:
    """Return versions in lake columns."""
    said: list[Row] = [
        {**{name: value for name, value in row.items() if name != "statement"}, **row.get("statement", {})}
        for row in rows
    ]
    return union_versions(table.dataset, *frames_of_rows(table.dataset, said))


def _stated(table: FactTable) -> str:
    """Return the lake's column with the known time as the message states it."""
    assert table.dataset.stated is not None  # noqa: S101  only bars have none
    return table.dataset.stated


def _known_times(table: FactTable, united: pl.DataFrame) -> dict[_Place, datetime]:
    """Return from when versions may be used; the least time where two cannot be told apart."""
    columns = [*table.dataset.natural_key, "source", _stated(table), INGESTED_AT]
    least = united.group_by(columns).agg(pl.col(KNOWN_AT).min())
    return {row[:-1]: row[-1] for row in least.select(*columns, KNOWN_AT).iter_rows()}


def _place(table: FactTable, fact: Fact, ingested_at: datetime) -> _Place:
    """Return the key of `_known_times` for a fact."""
    key = [getattr(fact, name) for name in (*table.dataset.natural_key, "source", table.dataset.stated_known)]
    return (*key, ingested_at)
