"""Alpaca's stream of bars: alpaca-py's protocol in a thread, dialled again after a loss, read through a bounded queue.

alpaca-py's own loop dials for ever after a refused key and only logs a refused subscription; so of its client we use
the parts that connect, sign in, subscribe and consume, and decide here what a fault means.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from alpaca.common.utils import reconnect_delay
from alpaca.data.live.stock import StockDataStream
from websockets.exceptions import WebSocketException

from producers.alpaca.events import Ended, Event, Lost, Received, Subscribed
from producers.alpaca.refusals import StreamRefusedError, handshake_refusal, refusal
from producers.alpaca.settings import AlpacaSettings
from shared.clock import Clock
from shared.errors import TransientError

Hear = Callable[[Any], Awaitable[None]]

LOG = logging.getLogger(__name__)
MOST_QUEUED: Final = 10_000
MOST_TAKEN: Final = 5_000
BACKOFF_SECONDS: Final = (1.0, 30.0)
STEADY_SECONDS: Final = 60.0  # a connection that lasted so long begins a new back-off
# A connection that went mute is noticed after ping_interval + ping_timeout; see MARGIN in holes.py.
SOCKET: Final = {"open_timeout": 10, "ping_interval": 10, "ping_timeout": 20, "close_timeout": 3, "max_queue": 1024}


class _Connection(StockDataStream):
    """One connection of alpaca-py, from dialling to its end."""

    def __init__(
        self, settings: AlpacaSettings, tickers: Sequence[str], hear: Callable[[Any], Awaitable[None]]
    ) -> None:
        super().__init__(
            api_key=settings.alpaca_api_key.get_secret_value(),
            secret_key=settings.alpaca_secret_key.get_secret_value(),
            raw_data=True,
            url_override=f"{settings.alpaca_stream_url.rstrip('/')}/v2/{settings.alpaca_feed}",
            websocket_params=dict(SOCKET),
        )
        self._hear = hear
        self.subscribe_bars(hear, *tickers)
        self.subscribe_updated_bars(hear, *tickers)

    async def converse(self) -> None:
        """Connect, sign in, subscribe and hand over messages until the connection ends; leave it closed."""
        try:
            await self._start_ws()
            await self._send_subscribe_msg()
            await self._consume()
        finally:
            await self.close()

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        """Hand over one message: alpaca-py would only log a refusal and the confirmation of the subscription."""
        if msg.get("T") == "error":
            raise StreamRefusedError(str(msg.get("msg")), msg.get("code"))
        if msg.get("T") == "subscription":
            await self._hear(msg)
        else:
            await super()._dispatch(msg)


class BarPump:
    """Keeps one connection to Alpaca's stream alive in a thread. A context manager; for one reader.

    Args:
        settings: Keys, feed, address and patience.
        tickers: Whose bars and updated bars to subscribe to.
        clock: Stamps what is received.
        sessions: Numbers the connections, ascending.
    """

    def __init__(self, settings: AlpacaSettings, tickers: Sequence[str], clock: Clock, sessions: Iterator[int]) -> None:
        self._settings = settings
        self._tickers = tuple(tickers)
        self._clock = clock
        self._events: queue.Queue[Event] = queue.Queue(MOST_QUEUED)
        self._sessions = sessions
        self._session = 0
        self._subscribed_at: float | None = None
        self._stopping = threading.Event()
        self._wake: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="alpaca-stream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with suppress(RuntimeError):  # the loop is closed where the stream has ended by itself
            self._wake()
        self._thread.join(timeout=10)

    def take(self, seconds: float) -> list[Event]:
        """Return what has come, at most MOST_TAKEN events, waiting up to `seconds` for the first."""
        taken: list[Event] = []
        with suppress(queue.Empty):
            taken.append(self._events.get(timeout=seconds) if seconds > 0 else self._events.get_nowait())
            while len(taken) < MOST_TAKEN:
                taken.append(self._events.get_nowait())
        return taken

    def _run(self) -> None:
        try:
            asyncio.run(self._keep_connected())
        except Exception as error:  # the reader raises it: an error must not die with this thread
            while not self._stopping.is_set():
                with suppress(queue.Full):
                    self._events.put(Ended(error), timeout=0.1)
                    return

    async def _keep_connected(self) -> None:
        """Dial, and dial again after a loss, until told to stop.

        Raises:
            ConfigurationError: Alpaca refuses for a reason that only a person can mend.
            TransientError: no subscription stood for ALPACA_RECONNECT_SECONDS.
        """
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(stop.set)
        failures, lost_since = 0, self._clock.monotonic()
        while not self._stopping.is_set():
            reason = await self._until_lost(stop)
            if self._stopping.is_set():
                return
            now = self._clock.monotonic()
            if self._subscribed_at is not None:
                failures = 0 if now - self._subscribed_at >= STEADY_SECONDS else failures
                lost_since = now
            failures += 1
            LOG.warning("Alpaca's stream is lost: %s", reason)
            await self._hand_over(Lost(self._session, self._clock.now(), reason))
            if now - lost_since > self._settings.alpaca_reconnect_seconds:
                raise TransientError(
                    f"Alpaca's stream stays away: {reason}; gave up after {now - lost_since:.0f} s "
                    "(ALPACA_RECONNECT_SECONDS). Start again later: what is missed meanwhile is read from history."
                )
            await _wait(stop, reconnect_delay(failures, *BACKOFF_SECONDS))

    async def _until_lost(self, stop: asyncio.Event) -> str:
        """Hold one connection until it is lost or `stop` is set; return why it ended."""
        self._session = next(self._sessions)
        self._subscribed_at = None
        connection = _Connection(self._settings, self._tickers, self._hear)
        talk, told = asyncio.create_task(connection.converse()), asyncio.create_task(stop.wait())
        await asyncio.wait({talk, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        talk.cancel()
        try:
            await talk
        except asyncio.CancelledError:
            return "stopped"
        except StreamRefusedError as error:
            return refusal(error, self._settings, len(self._tickers))
        except WebSocketException as error:
            return handshake_refusal(error)
        except (OSError, TimeoutError) as error:
            return f"no connection ({type(error).__name__})"
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # alpaca-py turns a refusal at sign-in into a ValueError of its text, and trips over what is no message.
            return refusal(StreamRefusedError(str(error), None), self._settings, len(self._tickers))
        return "it was closed"

    async def _hear(self, message: Mapping[str, Any]) -> None:
        """Hand over one message, stamped with its receipt."""
        now = self._clock.now()
        if message.get("T") != "subscription":
            await self._hand_over(Received(self._session, now, message))
            return
        self._subscribed_at = self._clock.monotonic()
        confirmed = set(message.get("bars") or []) & set(message.get("updatedBars") or [])
        missing = tuple(t for t in self._tickers if t not in confirmed)
        await self._hand_over(Subscribed(self._session, now, missing))

    async def _hand_over(self, event: Event) -> None:
        """Queue one event. While the reader lags the socket is not read, so that memory stays bounded."""
        while not self._stopping.is_set():
            with suppress(queue.Full):
                self._events.put_nowait(event)
                return
            await asyncio.sleep(0.05)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or until `stop` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
