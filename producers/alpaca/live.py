"""Live bars from Alpaca: the stream's bars and updated bars as they arrive, its holes filled from history."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from producers.alpaca.bars import NAME, Minute, by_week, frame_of, minute_of, refused
from producers.alpaca.events import Ended, Event, Lost, Received, Subscribed
from producers.alpaca.heard import Heard, Known
from producers.alpaca.holes import MARGIN, Filled, HoleFiller
from producers.alpaca.settings import STREAMED_FEEDS, AlpacaSettings
from producers.alpaca.source import checked
from producers.alpaca.stream import MOST_TAKEN, BarPump
from producers.source import Item, Note, Reached
from shared.clock import Clock
from shared.errors import ConfigurationError

TAKE_SECONDS: Final = 0.5


class AlpacaLive:
    """Bars of `tickers` as they become known.

    Every bar's `known_at` is its receipt, basis observed; that of a corrected bar (late trades) is later, so the bar
    gets a second version. When the stream begins, what came since `since` is read from history, or the last
    ALPACA_LIVE_LOOKBACK_MINUTES; when it was lost, everything since then; five minutes earlier each time. What
    history gives is known at its receipt, too: marked as known at its close, a recomputation would see bars that no
    live reader had. Bars that this process has yielded with the same values are left out.

    Args:
        settings: Keys, feed and limits.
        tickers: As Alpaca writes them.
        clock: Stamps what is received.
        since: How far an earlier process has delivered (Reached), aware; None where there was none.

    Raises:
        ConfigurationError: no tickers, simulated ones, or a feed that is not streamed.
    """

    def __init__(
        self, settings: AlpacaSettings, tickers: Sequence[str], clock: Clock, since: datetime | None = None
    ) -> None:
        self._settings = settings
        self._tickers = checked(tickers)
        self._clock = clock
        self._heard = Heard()
        self._sessions = itertools.count(1)
        self._reached = since
        self._connected = False
        self._ended: Exception | None = None
        if settings.alpaca_feed not in STREAMED_FEEDS:
            raise ConfigurationError(f"ALPACA_FEED: {settings.alpaca_feed} is not streamed; set {STREAMED_FEEDS[0]}")

    @property
    def name(self) -> str:
        return NAME

    @property
    def simulated(self) -> bool:
        return False

    def stream(self, stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
        self._ended = None
        with HoleFiller(self._settings, self._tickers, self._clock) as filler:
            with BarPump(self._settings, self._tickers, self._clock, self._sessions) as pump:
                while not stopping():
                    if self._ended is not None:
                        raise self._ended
                    yield self._batch(pump.take(TAKE_SECONDS), filler)
            self._connected = False
            yield self._batch(pump.take(0), filler)

    def _batch(self, events: Sequence[Event], filler: HoleFiller) -> list[Item]:
        """Return the items in what was received and in what history has answered, and how far that reaches."""
        before = self._clock.now()
        items: list[Item] = []
        news: list[tuple[Minute, Known]] = []
        for event in events:
            if isinstance(event, Ended):
                self._ended = event.error
            elif isinstance(event, Received):
                self._hear(event, items, news)
            else:
                items += self._connection_notes(event, filler)
        for answer in filler.answers():
            self._fill(answer, items, news)
        items += by_week(frame_of(news, self._settings.market_feed))
        if self._connected and not filler.filling and len(events) < MOST_TAKEN:
            self._reached = before
            items.append(Reached(before))
        return items

    def _hear(self, event: Received, items: list[Item], news: list[tuple[Minute, Known]]) -> None:
        """Add what one streamed message tells."""
        minute = self._minute(str(event.raw.get("S")), event.raw, items)
        if minute and (known := self._heard.from_stream(minute, event.at, event.session)):
            news.append((minute, known))

    def _fill(self, answer: Filled, items: list[Item], news: list[tuple[Minute, Known]]) -> None:
        """Add what an answer from history tells beyond what the stream told."""
        before = len(news)
        for ticker, raws in answer.bars.items():
            for row, raw in enumerate(raws or [], start=1):
                minute = self._minute(ticker, raw, items, row)
                if minute is None or minute.close_time > answer.at:  # a minute that goes on is not a bar yet
                    continue
                if known := self._heard.from_history(minute, answer.at, answer.session):
                    news.append((minute, known))
        if len(news) > before:
            items.append(Note(NAME, f"{len(news) - before} bars that the stream did not deliver came from history"))

    def _connection_notes(self, event: Subscribed | Lost, filler: HoleFiller) -> Iterator[Note]:
        """Yield what people should know of a change of the connection; a new one's hole is asked for."""
        self._connected = isinstance(event, Subscribed)
        if isinstance(event, Lost):
            yield Note(NAME, f"the stream is lost: {event.reason}")
            return
        lookback = timedelta(minutes=self._settings.alpaca_live_lookback_minutes)
        since = event.at - lookback if self._reached is None else self._reached - MARGIN
        filler.fill(event.session, since, event.at)
        yield Note(NAME, f"the stream stands; what came since {since:%Y-%m-%d %H:%M:%S} UTC is read from history")
        if event.missing:
            yield Note(NAME, f"Alpaca does not stream {', '.join(event.missing)}")

    @staticmethod
    def _minute(ticker: str, raw: Mapping[str, Any], items: list[Item], row: int = 0) -> Minute | None:
        """Return the bar in one record; a faulty one becomes a dead letter instead."""
        try:
            return minute_of(ticker, raw)
        except ValueError as error:
            items.append(refused(raw, row, str(error), "bad_record"))
            return None
