"""Which tickers a run has brought bars of."""

from collections.abc import Iterable

from sqlalchemy import Connection, text


class RunTickers:
    """Keeps them, in the caller's transactions."""

    def add(self, connection: Connection, run_id: str, tickers: Iterable[str]) -> None:
        """Note that bars of these tickers belong to the run."""
        rows = [{"run_id": run_id, "ticker": ticker} for ticker in sorted(set(tickers))]
        if rows:
            statement = "INSERT INTO run_tickers (run_id, ticker) VALUES (:run_id, :ticker) ON CONFLICT DO NOTHING"
            connection.execute(text(statement), rows)

    def of(self, connection: Connection, run_id: str) -> list[str]:
        """Return the run's tickers, by name."""
        found = connection.execute(
            text("SELECT ticker FROM run_tickers WHERE run_id = :run_id ORDER BY ticker"), {"run_id": run_id}
        )
        return [str(ticker) for ticker in found.scalars()]
