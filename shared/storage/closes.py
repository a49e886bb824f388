"""The last closes of a ticker from the feature table: for charts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, text

from shared.storage.postgres import transaction

_NEWEST: Final = text(
    """
    SELECT "timestamp", close FROM aggregated_data
    WHERE feature_set = :feature_set AND ticker = :ticker AND superseded_at IS NULL
    ORDER BY "timestamp" DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Close:
    """A raw close at its bar's start."""

    timestamp: datetime
    close: float


class CloseReader:
    """Reads closes.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, ticker: str, feature_set: str, limit: int) -> list[Close]:
        """Return the last closes of a ticker, oldest first.

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        given = {"ticker": ticker, "feature_set": feature_set, "limit": limit}
        with transaction(self._engine) as connection:
            return [Close(*row) for row in connection.execute(_NEWEST, given)][::-1]
