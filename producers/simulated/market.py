"""What all tickers share: the market's volatility by session, and the market's and sectors' minute factors."""

from functools import lru_cache

from producers.simulated.seeds import Floats, Stream, autoregressive, generator

MARKET_VOLATILITY = 0.009
"""Typical standard deviation of the market's return in a regular session."""
_SPREAD = 0.30  # standard deviation of the logarithm of the market's volatility
_PERSISTENCE = 0.97
_MIXED_BY = {"market": 0.30, "sector": 0.15}

MARKET_LOADING = _MIXED_BY["market"] ** 0.5
SECTOR_LOADING = _MIXED_BY["sector"] ** 0.5
OWN_LOADING = (1.0 - sum(_MIXED_BY.values())) ** 0.5


@lru_cache(maxsize=512)
def _level_path(seed: int, stream: Stream, key: tuple[int, ...], length: int, persistence: float) -> Floats:
    return autoregressive(generator(seed, stream, *key).standard_normal(length), persistence)


def level_at(seed: int, stream: Stream, key: tuple[int, ...], place: int, persistence: float) -> float:
    """Return the value at `place` (from 0) of an endless stationary AR(1) path of unit variance."""
    length = 1 << max(10, (place + 1).bit_length())
    return float(_level_path(seed, stream, key, length, persistence)[place])


class Market:
    """The common factors of the world of one seed.

    Args:
        seed: The world's seed.
        before: How many sessions lie before ordinal 0: volatility begins there.
    """

    def __init__(self, seed: int, before: int) -> None:
        self._seed = seed
        self._before = before
        self._factor = lru_cache(maxsize=8192)(self._make_factor)

    def turbulence(self, ordinal: int) -> float:
        """Return the market's volatility in that session relative to its typical value."""
        level = level_at(self._seed, Stream.MARKET_VOLATILITY, (), ordinal + self._before, _PERSISTENCE)
        return float(2.718281828459045 ** (_SPREAD * level))

    def factor(self, ordinal: int, minutes: int, sector: int) -> Floats:
        """Return the common part of a ticker's returns in one session, not yet scaled.

        Args:
            ordinal: Of a session, not negative.
            minutes: How many bars the day has, extended hours included.
            sector: Index of the ticker's sector.

        Returns:
            `minutes` + 1 values, the first for the night before, of variance MARKET_LOADING^2 + SECTOR_LOADING^2.
        """
        return self._factor(ordinal, minutes, sector)

    def _make_factor(self, ordinal: int, minutes: int, sector: int) -> Floats:
        market = generator(self._seed, Stream.MARKET_SESSION, ordinal).standard_normal(minutes + 1)
        own = generator(self._seed, Stream.SECTOR_SESSION, sector, ordinal).standard_normal(minutes + 1)
        mixed: Floats = MARKET_LOADING * market + SECTOR_LOADING * own
        return mixed
