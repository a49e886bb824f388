"""Live bars against a stream and a history that tell the same truth: nothing lost, nothing twice, corrections later."""

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from producers.alpaca.live import AlpacaLive
from producers.alpaca.settings import AlpacaSettings
from producers.source import Bars, Item, Note, Reached, Refused
from shared.clock import Clock, ManualClock, SystemClock
from shared.contracts.bars import BAR_COLUMNS, split_valid
from shared.errors import ConfigurationError, TransientError
from shared.testing.eventually import eventually
from shared.testing.vendor_alpaca import KEY, SECRET, AlpacaApi, RawBar, made_bar
from shared.testing.vendor_api import Reply
from shared.testing.vendor_stream import AlpacaStream

TICKERS = ("AAPL", "BRK.B")


OPEN = datetime(2024, 1, 3, 14, 30, tzinfo=UTC)


class Exchange:
    """The truth, told by the stream, by history, or by both. Its clock follows the bars that are made."""

    def __init__(self, api: AlpacaApi, stream: AlpacaStream, clock: ManualClock) -> None:
        self.api, self.stream, self.clock = api, stream, clock
        self._random = random.Random(5)

    def bar(self, ticker: str, number: int, *, streamed: bool, kept: bool = True) -> RawBar:
        """Make the bar of minute `number` (or a correction of it), wait for its end, and tell it."""
        bar = made_bar(OPEN + timedelta(minutes=number), self._random, 100.0)
        end = OPEN + timedelta(minutes=number + 1, seconds=0.2)
        self.clock.advance(max(0.0, (end - self.clock.now()).total_seconds()))
        others = [b for b in self.api.bars.get(ticker, []) if b["t"] != bar["t"]]
        corrected = len(others) < len(self.api.bars.get(ticker, []))
        if kept:
            self.api.bars[ticker] = sorted([*others, bar], key=lambda b: str(b["t"]))
        if streamed:
            self.stream.send(ticker, bar, "u" if corrected else "b")
        return bar

    @property
    def current(self) -> set[tuple[Any, ...]]:
        """The bars as they now stand."""
        return {(ticker, b["t"], b["c"], float(b["v"])) for ticker, bars in self.api.bars.items() for b in bars}

    @contextmanager
    def outage(self, live: "Reading") -> Iterator[None]:
        """Break the connection, and let no new one through before the end of the block."""
        seen, subscribed = live.notes.count("is lost"), self.stream.subscribed
        self.stream.down = True
        self.stream.break_off()
        eventually(lambda: live.notes.count("is lost") > seen)
        yield
        self.stream.down = False
        self.stream.wait_subscribed(subscribed + 1)


@dataclass
class Reading:
    """A live source that is read in a thread, as the producer does it."""

    source: AlpacaLive
    items: list[Item] = field(default_factory=list)
    batches: int = 0
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            for batch in self.source.stream(self._stop.is_set):
                self.items.extend(batch)
                self.batches += 1
        except (ConfigurationError, TransientError) as error:
            self.error = error

    def stop(self) -> None:
        self._stop.set()

    @property
    def frame(self) -> pl.DataFrame:
        frames = [item.frame for item in list(self.items) if isinstance(item, Bars)]
        return pl.concat(frames) if frames else pl.DataFrame(schema=dict(BAR_COLUMNS))

    @property
    def newest(self) -> set[tuple[Any, ...]]:
        """The version of each bar with the greatest known_at."""
        last = self.frame.sort("known_at").group_by("ticker", "timestamp").last()
        return {
            (r["ticker"], r["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"), r["close"], r["volume"])
            for r in last.iter_rows(named=True)
        }

    @property
    def reached(self) -> datetime | None:
        return max((item.at for item in list(self.items) if isinstance(item, Reached)), default=None)

    @property
    def notes(self) -> str:
        return "\n".join(item.text for item in list(self.items) if isinstance(item, Note))


def settings_of(api: AlpacaApi, stream: AlpacaStream, **given: Any) -> AlpacaSettings:
    addresses = {"alpaca_data_url": api.url, "alpaca_stream_url": stream.url}
    # The markets' clocks run through outages much faster than the stream is dialled.
    keys = {"alpaca_api_key": KEY, "alpaca_secret_key": SECRET, "alpaca_reconnect_seconds": 1e6}
    return AlpacaSettings.load(**(addresses | keys | given))


@contextmanager
def reading(settings: AlpacaSettings, clock: Clock | None = None, since: datetime | None = None) -> Iterator[Reading]:
    live = Reading(AlpacaLive(settings, TICKERS, clock or SystemClock(), since))
    thread = threading.Thread(target=live.run)
    thread.start()
    try:
        yield live
    finally:
        live.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


@contextmanager
def market_of() -> Iterator[Exchange]:
    with AlpacaApi() as api, AlpacaStream() as stream:
        yield Exchange(api, stream, ManualClock(OPEN))


@contextmanager
def exchange() -> Iterator[tuple[Exchange, Reading]]:
    with market_of() as market, reading(settings_of(market.api, market.stream), market.clock) as live:
        market.stream.wait_subscribed(1)
        yield market, live


def ended_by(stream: AlpacaStream, api: AlpacaApi, **given: Any) -> BaseException:
    """The error that a live source ends with."""
    with reading(settings_of(api, stream, **given)) as live:
        eventually(lambda: live.error is not None, failing="the source did not end")
        assert live.error is not None
        return live.error


def test_streamed_bars_arrive_once_and_are_known_at_receipt() -> None:
    with exchange() as (market, live):
        for number in range(30):
            for ticker in TICKERS:
                market.bar(ticker, number, streamed=True)
            eventually(lambda: live.newest == market.current)
        frame = live.frame
    assert frame.height == 60
    assert split_valid(frame)[1].is_empty()
    assert frame.select("known_basis", "source", "feed", "adjusted", "simulated").unique().rows() == [
        ("observed", "alpaca", "iex", False, False)
    ]
    assert (frame["known_at"] - frame["timestamp"]).unique().to_list() == [timedelta(minutes=1, seconds=0.2)]


def test_bar_that_arrives_before_its_close_by_our_clock_is_known_at_its_close() -> None:
    with exchange() as (market, live):
        bar = made_bar(OPEN + timedelta(minutes=5), random.Random(1), 100.0)
        market.stream.send("AAPL", bar)
        eventually(lambda: live.frame.height == 1)
        assert live.frame["known_at"].to_list() == [OPEN + timedelta(minutes=6)]


def test_quiet_stream_still_gives_batches() -> None:
    with exchange() as (_, live):
        seen = live.batches
        eventually(lambda: live.batches >= seen + 3)
        assert live.frame.is_empty()


def test_updated_bar_is_a_version_with_a_later_known_time() -> None:
    with exchange() as (market, live):
        first = market.bar("AAPL", 3, streamed=True)
        second = market.bar("AAPL", 3, streamed=True)
        third = market.bar("AAPL", 3, streamed=True)
        eventually(lambda: live.frame.height == 3)
        versions = live.frame.sort("known_at")
    assert versions["close"].to_list() == [first["c"], second["c"], third["c"]]
    assert versions["known_at"].is_unique().all()
    assert versions["timestamp"].n_unique() == 1


def test_update_without_news_is_left_out() -> None:
    with exchange() as (market, live):
        bar = market.bar("AAPL", 3, streamed=True)
        market.stream.send("AAPL", bar, "u")
        market.bar("AAPL", 4, streamed=True)
        eventually(lambda: live.newest == market.current)
        assert live.frame.height == 2


def test_bars_of_the_time_before_the_stream_come_from_history() -> None:
    with market_of() as market:
        for number in range(20):
            market.bar("AAPL", number, streamed=False)
        began = market.clock.now()
        with reading(settings_of(market.api, market.stream), market.clock) as live:
            eventually(lambda: live.newest == market.current)
            frame = live.frame
    assert frame.height == 20
    assert frame.select("known_basis", "known_at").unique().rows() == [("observed", began)]


def test_minute_that_goes_on_is_not_read_from_history() -> None:
    with market_of() as market:
        market.bar("AAPL", 0, streamed=False)
        half = made_bar(OPEN + timedelta(minutes=1), random.Random(1), 100.0)
        market.api.bars["AAPL"].append(half)
        with reading(settings_of(market.api, market.stream), market.clock) as live:
            eventually(lambda: live.frame.height == 1)
            market.stream.wait_subscribed(1)
            whole = market.bar("AAPL", 1, streamed=True)
            eventually(lambda: live.newest == market.current)
            assert whole["c"] in live.frame["close"].to_list()
            assert half["c"] not in live.frame["close"].to_list()


def test_bar_that_reaches_history_late_is_found_when_it_has_settled() -> None:
    """The last bar before the subscription is not streamed, and history does not have it at once."""
    with market_of() as market:
        market.bar("AAPL", 0, streamed=False)
        late = market.bar("AAPL", 1, streamed=False, kept=False)
        with reading(settings_of(market.api, market.stream), market.clock) as live:
            eventually(lambda: live.frame.height == 1)
            market.stream.wait_subscribed(1)
            market.api.bars["AAPL"].append(late)
            market.bar("AAPL", 2, streamed=True)
            market.bar("AAPL", 3, streamed=True)
            eventually(lambda: live.newest == market.current)
            assert live.frame.height == 4


def test_hole_of_a_lost_connection_is_filled_and_nothing_comes_twice() -> None:
    with exchange() as (market, live):
        for number in range(4):
            market.bar("AAPL", number, streamed=True)
        eventually(lambda: live.newest == market.current)
        with market.outage(live):
            for number in range(4, 90):
                market.bar("AAPL", number, streamed=False)
                market.bar("BRK.B", number, streamed=False)
        eventually(lambda: live.newest == market.current)
        market.bar("AAPL", 90, streamed=True)
        eventually(lambda: live.newest == market.current)
        assert live.frame.height == 4 + 2 * 86 + 1


def test_correction_made_while_the_connection_was_lost_is_found() -> None:
    with exchange() as (market, live):
        first = market.bar("AAPL", 3, streamed=True)
        eventually(lambda: live.frame.height == 1)
        with market.outage(live):
            second = market.bar("AAPL", 3, streamed=False)
        eventually(lambda: live.frame.height == 2)
        assert live.frame.sort("known_at")["close"].to_list() == [first["c"], second["c"]]


def test_stale_answer_from_history_does_not_override_the_stream() -> None:
    with market_of() as market:
        market.bar("AAPL", 0, streamed=False)
        market.api.fail_next(Reply(503), Reply(503))  # history answers when the stream has long begun
        with reading(settings_of(market.api, market.stream), market.clock) as live:
            market.stream.wait_subscribed(1)
            newer = market.bar("AAPL", 0, streamed=True, kept=False)
            eventually(lambda: live.frame.height == 1)
            eventually(lambda: market.api.asked and market.api.asked[-1].status == 200)
            batches = live.batches
            eventually(lambda: live.batches > batches + 2)
            assert live.frame["close"].to_list() == [newer["c"]]


def test_random_breaks_lose_nothing_and_repeat_nothing() -> None:
    chance = random.Random(11)
    with exchange() as (market, live):
        numbers = itertools.count()
        for _ in range(6):
            for number in itertools.islice(numbers, chance.randint(1, 8)):
                market.bar(chance.choice(TICKERS), number, streamed=True)
            eventually(lambda: live.newest == market.current)
            for number in itertools.islice(numbers, chance.randint(0, 3)):  # these may be cut off on their way
                market.bar(chance.choice(TICKERS), number, streamed=True)
            with market.outage(live):
                for number in itertools.islice(numbers, chance.randint(1, 9)):
                    market.bar(chance.choice(TICKERS), number, streamed=False)
        eventually(lambda: live.newest == market.current)
        assert live.frame.height == len(market.current)


def test_restarted_stream_goes_on_where_it_was() -> None:
    with market_of() as market:
        settings = settings_of(market.api, market.stream)
        with reading(settings, market.clock) as first:
            market.stream.wait_subscribed(1)
            for number in range(20):
                market.bar("AAPL", number, streamed=True)
            eventually(lambda: first.newest == market.current)
            eventually(lambda: first.reached == market.clock.now())
        for number in range(20, 3000):  # two days later
            if number % 20 == 0:
                market.bar("AAPL", number, streamed=False)
        with reading(settings, market.clock, since=first.reached) as second:
            eventually(lambda: first.newest | second.newest == market.current)
            repeated = first.newest & second.newest
    assert 0 < len(repeated) <= 6  # of the five minutes before


def test_stream_has_not_reached_anything_while_a_hole_is_open() -> None:
    """A producer that is killed then must not believe that the hole was delivered."""
    with exchange() as (market, live):
        market.bar("AAPL", 0, streamed=True)
        eventually(lambda: live.reached == market.clock.now())
        reached = live.reached
        market.api.fail_next(*[Reply(503)] * 3)
        with market.outage(live):
            for number in range(1, 30):
                market.bar("AAPL", number, streamed=False)
            batches = live.batches
            eventually(lambda: live.batches > batches + 1)
            assert live.reached == reached
        market.bar("AAPL", 30, streamed=True)
        eventually(lambda: ("AAPL", "2024-01-03T15:00:00Z") in {bar[:2] for bar in live.newest})
        before = live.reached
        if len(live.newest) < 31:
            assert before == reached
        eventually(lambda: live.newest == market.current)
        eventually(lambda: live.reached == market.clock.now())


def test_faulty_message_is_refused_and_the_stream_goes_on() -> None:
    with exchange() as (market, live):
        market.stream.send_raw([{"T": "b", "S": "AAPL", "o": "x"}], "AAPL")
        market.bar("AAPL", 3, streamed=True)
        eventually(lambda: live.frame.height == 1)
    refused = [item for item in live.items if isinstance(item, Refused)]
    assert [r.reason for r in refused] == ["o is not a number"]


def test_message_of_no_known_form_makes_a_new_connection() -> None:
    with exchange() as (market, live):
        market.stream.send_raw([7], "AAPL")  # type: ignore[list-item]
        market.stream.wait_subscribed(2)
        market.bar("AAPL", 3, streamed=True)
        eventually(lambda: live.newest == market.current)


def test_slow_client_message_makes_a_new_connection() -> None:
    with exchange() as (market, live):
        market.stream.send_error(407, "slow client")
        market.stream.wait_subscribed(2)
        market.bar("AAPL", 3, streamed=True)
        eventually(lambda: live.newest == market.current)
    assert "407 slow client" in live.notes


def test_stop_closes_the_connection_soon() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        with reading(settings_of(api, stream)):
            stream.wait_subscribed(1)
        stream.wait_gone()


def test_wrong_keys_end_it_with_their_names() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        error = ended_by(stream, api, alpaca_secret_key="wrong")
        assert stream.signed_in == 0
    assert isinstance(error, ConfigurationError)
    assert "ALPACA_API_KEY, ALPACA_SECRET_KEY" in str(error)
    assert "\n" not in str(error)


def test_feed_beyond_the_plan_ends_it_with_its_name() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        error = ended_by(stream, api, alpaca_feed="sip")
    assert isinstance(error, ConfigurationError)
    assert "ALPACA_FEED" in str(error)


def test_too_many_symbols_end_it_with_their_number() -> None:
    with AlpacaApi() as api, AlpacaStream(symbol_limit=1) as stream:
        error = ended_by(stream, api)
    assert isinstance(error, ConfigurationError)
    assert "fewer than 2 tickers" in str(error)


@pytest.mark.parametrize(("status", "name"), [(401, "ALPACA_API_KEY"), (403, "ALPACA_SECRET_KEY"), (404, "STREAM_URL")])
def test_refused_handshake_ends_it(status: int, name: str) -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        stream.refuse_next(status)
        error = ended_by(stream, api)
    assert isinstance(error, ConfigurationError)
    assert name in str(error)


def test_passing_refusals_are_outwaited() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        stream.refuse_next(429, 503)
        with reading(settings_of(api, stream)):
            stream.wait_subscribed(1)


def test_connection_limit_is_outwaited_then_told() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream, reading(settings_of(api, stream)):
        stream.wait_subscribed(1)
        error = ended_by(stream, api, alpaca_reconnect_seconds=1.5)
    assert isinstance(error, TransientError)
    assert "406 connection limit exceeded" in str(error)
    assert "another program" in str(error)


def test_unreachable_stream_is_a_transient_error() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        error = ended_by(stream, api, alpaca_stream_url="ws://127.0.0.1:9", alpaca_reconnect_seconds=1)
    assert isinstance(error, TransientError)
    assert "ALPACA_RECONNECT_SECONDS" in str(error)


def test_history_that_refuses_the_keys_ends_the_stream() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        api.fail_next(Reply(403, b'{"message": "subscription does not permit querying recent SIP data"}'))
        error = ended_by(stream, api)
    assert isinstance(error, ConfigurationError)
    assert "ALPACA_FEED" in str(error)


def test_stream_can_be_read_again_after_an_error() -> None:
    with AlpacaApi() as api, AlpacaStream() as stream:
        live = Reading(AlpacaLive(settings_of(api, stream), TICKERS, SystemClock()))
        stream.refuse_next(404)
        live.run()
        assert isinstance(live.error, ConfigurationError)
        thread = threading.Thread(target=live.run)
        thread.start()
        stream.wait_subscribed(1)
        live.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_feed_without_a_stream_is_refused() -> None:
    settings = AlpacaSettings.load(alpaca_api_key=KEY, alpaca_secret_key=SECRET, alpaca_feed="otc")
    with pytest.raises(ConfigurationError, match="ALPACA_FEED"):
        AlpacaLive(settings, TICKERS, SystemClock())
