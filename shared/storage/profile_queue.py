"""Which tickers' profiles changed and are not yet in the document store; kept in PostgreSQL, so none is ever lost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, select, text, update

from shared.storage.models import Deployment, in_force
from shared.storage.postgres import transaction
from shared.storage.tickers import TICKERS
from shared.storage.training_tables import TICKER_PROFILES as PROFILES

_ONE_WRITER: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('ticker_profiles/' || :t, 0))"
# The newest version of the newest period that the company has filed.
_NEWEST_FILING: Final = """
    SELECT period, period_end, "calendarYear", filed_at, source, statement FROM filings
    WHERE symbol = :t ORDER BY period_end DESC, filed_at DESC, sequence DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """What a ticker's profiles are made from, all read at one moment.

    `served` is the deployment in force of each kind; `statistics` what training saw in the rows; `filing` the newest
    one as the source names its fields, None where there is none; `name` is empty where the registry has none.
    """

    ticker: str
    name: str
    run_id: str
    statistics: Mapping[str, Any]
    statistics_at: datetime
    served: tuple[Deployment, ...]
    filing: Mapping[str, Any] | None


class ProfileQueue:
    """Hands out what is due, one ticker at a time.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self) -> list[str]:
        """Return the tickers whose profiles have to be written, by name."""
        query = select(PROFILES.c.ticker).where(PROFILES.c.written < PROFILES.c.changed).order_by(PROFILES.c.ticker)
        with transaction(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def write(self, ticker: str, put: Callable[[ProfileFacts], None]) -> bool:
        """Have a ticker's profiles written by `put`, which must be repeatable, and mark them written if it succeeds.

        Only one process writes a ticker's at a time, so that an older state never replaces a newer one.

        Returns:
            Whether it was done; False where somebody else is at it.
        """
        with transaction(self._engine) as connection:
            if not connection.execute(text(_ONE_WRITER), {"t": ticker}).scalar_one():
                return False
            row = connection.execute(select(PROFILES).where(PROFILES.c.ticker == ticker)).one_or_none()
            if row is None or row.written >= row.changed:
                return False
            put(_facts(connection, ticker, row.run_id, row.statistics, row.created_at))
            written = update(PROFILES).where(PROFILES.c.ticker == ticker).values(written=row.changed)
            connection.execute(written)
        return True


def _facts(
    connection: Connection, ticker: str, run_id: str, statistics: Mapping[str, Any], at: datetime
) -> ProfileFacts:
    name = connection.execute(select(TICKERS.c.name).where(TICKERS.c.ticker == ticker)).scalar() or ""
    filing = connection.execute(text(_NEWEST_FILING), {"t": ticker}).mappings().one_or_none()
    served = tuple(in_force(connection, ticker))
    return ProfileFacts(ticker, name, run_id, statistics, at, served, None if filing is None else dict(filing))
