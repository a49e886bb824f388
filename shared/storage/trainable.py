"""What there is to train on: feature sets, and how many rows a ticker has."""

from collections.abc import Sequence

from sqlalchemy import Engine, text

from shared.storage.postgres import transaction


class TrainableRows:
    """Looks at the feature table without reading it.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def feature_set(self, name: str | None) -> str | None:
        """Return the name of the feature set, the active one where none is given; None where there is no such set."""
        query = "SELECT name FROM feature_sets WHERE name = :name OR (:name IS NULL AND state = 'active')"
        with transaction(self._engine) as connection:
            found: str | None = connection.execute(text(query), {"name": name}).scalar()
        return found

    def features(self, feature_set: str) -> tuple[str, ...]:
        """Return the names of a feature set's columns, in order; none where there is no such set."""
        query = "SELECT names FROM feature_sets WHERE name = :name"
        with transaction(self._engine) as connection:
            return tuple(connection.execute(text(query), {"name": feature_set}).scalar() or ())

    def active_tickers(self, feature_set: str) -> list[str]:
        """Return the active tickers that have rows, by name."""
        query = """
            SELECT tickers.ticker FROM tickers
            CROSS JOIN LATERAL ( -- LIMIT: one look into the index a ticker, no join with all rows
                SELECT FROM aggregated_data a
                WHERE a.feature_set = :name AND a.ticker = tickers.ticker ORDER BY "timestamp" LIMIT 1
            ) any_row
            WHERE active ORDER BY tickers.ticker
        """
        with transaction(self._engine) as connection:
            return list(connection.execute(text(query), {"name": feature_set}).scalars())

    def without_rows(self, tickers: Sequence[str], feature_set: str) -> list[str]:
        """Return those of `tickers` that have no row, in their order."""
        query = """
            SELECT wanted.ticker FROM unnest(CAST(:tickers AS text[])) WITH ORDINALITY AS wanted (ticker, place)
            LEFT JOIN LATERAL ( -- LIMIT: one look into the index a ticker
                SELECT true AS found FROM aggregated_data a
                WHERE a.feature_set = :name AND a.ticker = wanted.ticker ORDER BY "timestamp" LIMIT 1
            ) any_row ON true
            WHERE found IS NULL ORDER BY wanted.place
        """
        with transaction(self._engine) as connection:
            found = connection.execute(text(query), {"name": feature_set, "tickers": list(tickers)})
            return list(found.scalars())

    def count(self, ticker: str, feature_set: str) -> int:
        """Return how many revisions of rows a ticker has."""
        query = "SELECT count(*) FROM aggregated_data WHERE feature_set = :name AND ticker = :ticker"
        with transaction(self._engine) as connection:
            counted: int = connection.execute(text(query), {"name": feature_set, "ticker": ticker}).scalar_one()
        return counted
