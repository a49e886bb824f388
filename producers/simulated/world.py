"""The simulated world of one set of settings: every process makes the same one, for itself."""

from functools import cached_property, lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from producers.simulated.bars import Columns, session_bars, to_frame
from producers.simulated.market import Market
from producers.simulated.path import TickerPath
from producers.simulated.settings import SimulatedSettings
from producers.simulated.shape import shape
from producers.simulated.tickers import Company, company
from producers.simulated.timeline import Session, Timeline


class World:
    """Sessions, companies and their bars.

    Args:
        settings: Seed and size.
    """

    def __init__(self, settings: SimulatedSettings) -> None:
        self.settings = settings
        self.seed = settings.simulated_seed
        self._path = lru_cache(maxsize=None)(self._make_path)  # one small object a ticker

    @cached_property
    def timeline(self) -> Timeline:
        """Return the sessions before, in and after history."""
        return Timeline(self.settings.simulated_start, self.settings.simulated_sessions)

    @cached_property
    def market(self) -> Market:
        """Return the factors that all tickers share."""
        return Market(self.seed, self.timeline.before)

    @cached_property
    def companies(self) -> list[Company]:
        """Return the listed companies, in order."""
        return [company(self.seed, index) for index in range(self.settings.simulated_tickers)]

    def columns(self, of: Company, session: Session) -> Columns:
        """Return every version of the bars of a company and a session (ordinal not negative)."""
        return session_bars(of, self._path(of.index).session(session.ordinal))

    def bars(self, of: Company, sessions: list[Session]) -> pl.DataFrame:
        """Return every version of the bars of a company and at least one session, as BAR_COLUMNS."""
        first, *rest = (self.columns(of, session) for session in sessions)
        return to_frame(of.ticker, first.followed_by(*rest) if rest else first)

    def minutes(self, session: Session) -> NDArray[np.int64]:
        """Return the session's minutes, as minutes after its regular open."""
        return shape(session.minutes, self.settings.simulated_extended).offsets

    def _make_path(self, index: int) -> TickerPath:
        return TickerPath(self.companies[index], self.timeline, self.market, self.settings.simulated_extended)
