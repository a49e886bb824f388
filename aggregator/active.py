"""Which tickers are switched off: their live bars make no rows until they are added again."""

from shared.clock import Clock
from shared.storage.tickers import TickerRegistry


class Inactive:
    """Looks at the registry now and then. A ticker that was never registered counts as active.

    Args:
        registry: The tickers.
        clock: For how often.
        seconds: How often.
    """

    def __init__(self, registry: TickerRegistry, clock: Clock, seconds: float) -> None:
        self._registry = registry
        self._clock = clock
        self._seconds = seconds
        self._looked = float("-inf")
        self._tickers: frozenset[str] = frozenset()

    def tickers(self) -> frozenset[str]:
        """Return the tickers that were removed.

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        now = self._clock.monotonic()
        if now - self._looked >= self._seconds:
            self._tickers = frozenset(t.ticker for t in self._registry.all() if not t.active)
            self._looked = now
        return self._tickers
