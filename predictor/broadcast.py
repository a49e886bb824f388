"""Server-sent events: what changes is told to everybody who listens, from any thread, without waiting for anybody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

QUEUE: Final = 2_000
KEEP_ALIVE_SECONDS: Final = 15.0
_PING: Final = b": still here\n\n"


@dataclass(slots=True, eq=False)
class _Listener:
    """Somebody who listens: to these tickers (empty: all)."""

    tickers: frozenset[str]
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))


class Broadcast:
    """Tells events to listeners. One who is too slow is disconnected, and comes back to a fresh start."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[_Listener] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        """Return how many listen."""
        return len(self._listeners)

    def open(self) -> None:
        """Begin: called in the event loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self, event: str, data: bytes, ticker: str | None = None) -> None:
        """Tell an event, JSON on one line, from any thread; one of a ticker reaches those who want that ticker."""
        loop = self._loop
        if loop is None or self._closed or not self._listeners:
            return
        try:
            loop.call_soon_threadsafe(self._spread, b"event: %s\ndata: %s\n\n" % (event.encode(), data), ticker)
        except RuntimeError:  # the loop has just ended
            self._closed = True

    def _spread(self, message: bytes, ticker: str | None) -> None:
        for listener in self._listeners:
            if ticker is None or not listener.tickers or ticker in listener.tickers:
                _put(listener.queue, message)

    def close(self) -> None:
        """End every stream: called in the event loop."""
        self._closed = True
        for listener in self._listeners:
            _put(listener.queue, None)

    async def listen(self, tickers: frozenset[str]) -> AsyncIterator[bytes]:
        """Yield events as they are told, and a comment now and then so that proxies keep the connection."""
        listener = _Listener(tickers)
        self._listeners.add(listener)
        try:
            yield b"retry: 2000\n\n"
            while not self._closed:
                try:
                    message = await asyncio.wait_for(listener.queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    message = _PING
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(listener)


def _put(queue: asyncio.Queue[bytes | None], message: bytes | None) -> None:
    """Queue a message; where there is no room, the listener's end instead of all that waits."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        message = None
    queue.put_nowait(message)
