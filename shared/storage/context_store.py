"""The slow facts in PostgreSQL: every version of macro vintages, filings and corporate actions, as in the lake."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.features.context import Context

Fact: TypeAlias = MacroVintage | Filing | CorporateAction


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
        raise NotImplementedError

    def context(self, connection: Connection, ticker: str) -> Context:
        """Return what there is for one ticker: all macro series of its world, its filings and its actions.

        A ticker of the simulated exchange sees simulated series only, any other one real series only.
        """
        raise NotImplementedError

    def digest(self, connection: Connection) -> str:
        """Return a short digest that is equal while nothing was added: for keeping contexts in memory."""
        raise NotImplementedError
