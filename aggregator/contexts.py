"""The slow facts of each ticker as PostgreSQL has them, kept while nothing is added."""

import polars as pl

from shared.contracts.bars import SIMULATED_PREFIX
from shared.features.context import Context
from shared.storage.context_store import ContextStore
from shared.storage.database import Engine
from shared.storage.postgres import transaction


class Contexts:
    """Reads contexts, each once for every state of the tables.

    Args:
        engine: PostgreSQL.
        store: The slow facts.
    """

    def __init__(self, engine: Engine, store: ContextStore) -> None:
        self._engine = engine
        self._store = store
        self.digest = ""
        """Names the state that is kept."""
        self._kept: dict[str, Context] = {}
        self._macro: dict[bool, pl.DataFrame] = {}

    def refresh(self) -> None:
        """Look whether anything was added by whoever; if so, forget what is kept."""
        with transaction(self._engine) as connection:
            digest = self._store.digest(connection)
        if digest != self.digest:
            self._kept.clear()
            self._macro.clear()
            self.digest = digest

    def of(self, ticker: str) -> Context:
        """Return the ticker's slow facts as of the last `refresh`."""
        if ticker not in self._kept:
            simulated = ticker.startswith(SIMULATED_PREFIX)
            with transaction(self._engine) as connection:
                if simulated not in self._macro:  # one frame for all tickers of a world: it is the larger part
                    self._macro[simulated] = self._store.macro(connection, simulated=simulated)
                self._kept[ticker] = self._store.context(connection, ticker, self._macro[simulated])
        return self._kept[ticker]
