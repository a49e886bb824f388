"""The active set of tickers, kept in PostgreSQL and changeable while everything runs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, DateTime, Engine, MetaData, String, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.bars import NAME_PATTERN
from shared.errors import ConfigurationError
from shared.storage.postgres import transaction

METADATA = MetaData()
TICKERS = Table(
    "tickers",
    METADATA,
    Column("ticker", String(32), primary_key=True),
    Column("name", String(200), nullable=False, server_default=""),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("removed_at", DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Ticker:
    """One ticker of the registry. Times are aware; `removed_at` is None while it is active."""

    ticker: str
    name: str
    active: bool
    added_at: datetime
    removed_at: datetime | None


class TickerRegistry:
    """Reads and changes the active set.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Ticker]:
        """Return every ticker that was ever added, by name."""
        with transaction(self._engine) as connection:
            return [Ticker(*row) for row in connection.execute(select(TICKERS).order_by(TICKERS.c.ticker))]

    def active(self) -> list[str]:
        """Return the active tickers, by name."""
        return [t.ticker for t in self.all() if t.active]

    def add(self, tickers: Iterable[str], name: str = "") -> list[str]:
        """Make the tickers active, and set their name if one is given; return those that were not active before.

        Raises:
            ConfigurationError: one of them is not a ticker; nothing is changed then.
        """
        wanted = sorted({_checked(ticker) for ticker in tickers})
        if not wanted:
            return []
        rows = insert(TICKERS).values([{"ticker": ticker, "active": True} for ticker in wanted])
        back = rows.on_conflict_do_update(
            index_elements=["ticker"], set_={"active": True, "removed_at": None}, where=~TICKERS.c.active
        )
        with transaction(self._engine) as connection:
            added = sorted(connection.execute(back.returning(TICKERS.c.ticker)).scalars())
            if name:
                connection.execute(TICKERS.update().where(TICKERS.c.ticker.in_(wanted)).values(name=name))
        return added

    def remove(self, tickers: Iterable[str]) -> list[str]:
        """Make the tickers inactive, keeping their rows; return those that were active before."""
        wanted = [_checked(ticker) for ticker in tickers]
        change = TICKERS.update().where(TICKERS.c.ticker.in_(wanted), TICKERS.c.active)
        with transaction(self._engine) as connection:
            gone = connection.execute(change.values(active=False, removed_at=func.now()).returning(TICKERS.c.ticker))
            return sorted(gone.scalars())

    def seed(self, names: dict[str, str]) -> int:
        """Add tickers (ticker -> company name) to a registry that never held any; return how many.

        A registry that people have changed is left alone: what they removed does not come back.
        """
        with transaction(self._engine) as connection:
            if connection.execute(select(func.count()).select_from(TICKERS)).scalar_one():
                return 0
            rows = [{"ticker": _checked(ticker), "name": name} for ticker, name in names.items()]
            connection.execute(insert(TICKERS).on_conflict_do_nothing(), rows)
            return len(rows)


def _checked(ticker: str) -> str:
    if not re.fullmatch(NAME_PATTERN, ticker):
        raise ConfigurationError(
            f"{ticker!r} is not a ticker. Use letters, digits and ._=- after a capital or digit, 32 at most."
        )
    return ticker
