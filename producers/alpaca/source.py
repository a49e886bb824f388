"""History from Alpaca: raw 1-minute bars by ticker and four ISO weeks, and each ticker's corporate actions."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from producers.alpaca.actions import read_actions
from producers.alpaca.bars import NAME, Minute, by_week, frame_of, known_at_close, minute_of, refused
from producers.alpaca.client import BarsClient, clients
from producers.alpaca.settings import AlpacaSettings
from producers.source import Item, Note, Unit
from producers.web import Sleep
from shared.clock import Clock
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.calendar import NEW_YORK, sessions
from shared.contracts.weeks import IsoWeek
from shared.errors import ConfigurationError

BLOCK_WEEKS: Final = 4  # of regular hours they fill one page of 10,000 bars
ROWS_A_SESSION: Final = 390
ONE_MINUTE: Final = TimeFrame(1, TimeFrameUnit.Minute)
RESOLUTION: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Block:
    """The bars of `ticker` in [start, end), aware; or its corporate actions where there is no time."""

    ticker: str
    span: tuple[datetime, datetime] | None


class AlpacaHistory:
    """Raw bars and corporate actions of `tickers` with New York dates in [start, end].

    The range ends with yesterday (New York) at the latest: today's bars still change, and come from the live producer.
    Tickers mean what they meant on the last day of the range (Alpaca maps renamed ones back), whenever it is read.

    Args:
        settings: Keys, feed and limits.
        tickers: As Alpaca writes them.
        start: First date.
        end: Last date, inclusive.
        clock: Tells today, and measures the rate.
        sleep: Waits; a test moves its clock instead.

    Raises:
        ConfigurationError: no tickers, simulated ones, or an empty range.
    """

    def __init__(
        self,
        settings: AlpacaSettings,
        tickers: Sequence[str],
        start: date,
        end: date,
        clock: Clock,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._settings = settings
        self._tickers = checked(tickers)
        self._start = start
        self._end = min(end, clock.now().astimezone(NEW_YORK).date() - timedelta(days=1))
        self._asked_end = end
        if self._start > self._end:
            raise ConfigurationError(
                f"no history between {start} and {self._end}: begin before today, or use --live for today's bars"
            )
        self._bars, self._actions = clients(settings, clock, sleep)
        self._blocks: dict[str, _Block] = {}

    @property
    def name(self) -> str:
        return NAME

    @property
    def simulated(self) -> bool:
        return False

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "tickers": list(self._tickers),
            "start": self._start.isoformat(),
            "end": self._end.isoformat(),
            "feed": self._settings.market_feed,
        }

    @property
    def run_set(self) -> str:
        return f"{NAME}:{','.join(self._tickers)}"

    def units(self) -> Sequence[Unit]:
        units = []
        for ticker in self._tickers:
            unit = Unit(f"actions/{ticker}", ROWS_A_SESSION)
            self._blocks[unit.id] = _Block(ticker, None)
            units.append(unit)
        for ticker in self._tickers:
            for span, weeks, weight in _spans(self._start, self._end):
                unit = Unit(f"bars/{ticker}/{weeks}", weight)
                self._blocks[unit.id] = _Block(ticker, span)
                units.append(unit)
        return units

    def read(self, unit: Unit) -> Iterator[Item]:
        if not self._blocks:
            self.units()
        block = self._blocks[unit.id]
        if block.span is None:
            if self._asked_end > self._end and block.ticker == self._tickers[0]:
                yield Note(NAME, f"history ends with {self._end}; later bars come from the live producer")
            yield from read_actions(self._actions, block.ticker, self._start, self._end)
            return
        raws = ask_bars(self._bars, self._settings, [block.ticker], block.span, self._end)
        minutes: list[Minute] = []
        for row, raw in enumerate(raws.get(block.ticker) or [], start=1):
            try:
                minutes.append(minute_of(block.ticker, raw))
            except ValueError as error:
                yield refused(raw, row, str(error), "bad_record")
        frame = frame_of(((m, known_at_close(m)) for m in minutes), self._settings.market_feed)
        yield from by_week(frame)


def checked(tickers: Sequence[str]) -> tuple[str, ...]:
    """Return the tickers, each once, in order.

    Raises:
        ConfigurationError: there are none, or simulated ones.
    """
    once = tuple(dict.fromkeys(tickers))
    if not once:
        raise ConfigurationError("no tickers to read from Alpaca: name some with --tickers")
    made_up = [t for t in once if t.startswith(SIMULATED_PREFIX)]
    if made_up:
        raise ConfigurationError(f"{made_up[0]} is a simulated ticker and cannot be read from Alpaca")
    return once


def ask_bars(
    client: BarsClient,
    settings: AlpacaSettings,
    tickers: Sequence[str],
    span: tuple[datetime, datetime],
    names_as_of: date,
) -> dict[str, list[dict[str, Any]]]:
    """Return Alpaca's raw 1-minute bars by ticker that begin in [start, end) of `span`, all pages.

    Args:
        client: The patient client.
        settings: The feed.
        tickers: Several go into one request.
        span: Aware instants; Alpaca's own end is inclusive.
        names_as_of: The day that the tickers are to be understood as of. Alpaca's default, the day of the request,
            would make the same request answer differently after a change of name.

    Raises:
        TransientError: Alpaca did not answer within the bounds of retry.
        ConfigurationError: the keys, the feed or the tickers are refused.
    """
    request = StockBarsRequest(
        symbol_or_symbols=list(tickers),
        timeframe=ONE_MINUTE,
        start=span[0],
        end=span[1] - RESOLUTION,
        adjustment=Adjustment.RAW,
        feed=DataFeed(settings.market_feed),
        asof=names_as_of.isoformat(),
    )
    answer = client.get_stock_bars(request)
    assert isinstance(answer, dict)  # noqa: S101  raw_data=True always gives one
    return answer


def _spans(start: date, end: date) -> Iterator[tuple[tuple[datetime, datetime], str, int]]:
    """Yield (span, name, expected rows) of blocks of whole ISO weeks over the New York dates [start, end].

    Weeks begin on Monday 00:00 UTC; the first and last block are cut at New York midnights. Blocks without a session
    are read, too: bars may exist where the calendar expects none.
    """
    first = datetime.combine(start, datetime.min.time(), NEW_YORK)
    last = datetime.combine(end + timedelta(days=1), datetime.min.time(), NEW_YORK)
    begin = IsoWeek.of(first).start
    while begin < last:
        following = begin + timedelta(weeks=BLOCK_WEEKS)
        span = (max(begin, first), min(following, last))
        days = sessions(span[0].astimezone(NEW_YORK).date(), (span[1] - RESOLUTION).astimezone(NEW_YORK).date())
        weeks = f"{IsoWeek.of(span[0])}..{IsoWeek.of(span[1] - RESOLUTION)}"
        yield span, weeks, max(1, len(days)) * ROWS_A_SESSION
        begin = following
