"""Which tickers have feature rows, and up to which bar: a few index look-ups, however many rows there are."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

_QUERY = text("""
WITH RECURSIVE found AS (
    (SELECT ticker FROM aggregated_data WHERE feature_set = :feature_set ORDER BY ticker LIMIT 1)
    UNION ALL
    SELECT (
        SELECT ticker FROM aggregated_data
        WHERE feature_set = :feature_set AND ticker > found.ticker ORDER BY ticker LIMIT 1
    ) FROM found WHERE found.ticker IS NOT NULL
)
SELECT ticker, (
    SELECT "timestamp" FROM aggregated_data
    WHERE feature_set = :feature_set AND ticker = found.ticker ORDER BY "timestamp" DESC LIMIT 1
) FROM found WHERE ticker IS NOT NULL
""")


def stored_tickers(connection: Connection, feature_set: str) -> Mapping[str, datetime]:
    """Return the newest bar (its start, aware, UTC) of each ticker that has rows of the feature set."""
    found = connection.execute(_QUERY, {"feature_set": feature_set})
    return {str(ticker): newest for ticker, newest in found}
