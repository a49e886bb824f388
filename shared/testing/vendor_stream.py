"""Alpaca's stream on loopback, for tests: welcome, sign-in, subscription, bars, errors and broken connections."""

import socket
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from shared.testing.eventually import eventually
from shared.testing.vendor_alpaca import KEY, SECRET, RawBar

CHANNELS = {"b": "bars", "u": "updatedBars"}


class AlpacaStream:
    """A context manager; `url` is its address. Speaks MessagePack, as alpaca-py asks for.

    Args:
        feeds: What the plan allows.
        symbol_limit: Most symbols a subscription may have.
        connection_limit: Most connections at a time.
    """

    def __init__(self, feeds: Iterable[str] = ("iex",), symbol_limit: int = 1000, connection_limit: int = 1) -> None:
        self.signed_in = 0
        self.subscribed = 0
        self.down = False  # while true, handshakes get a 503
        self._feeds = tuple(feeds)
        self._symbol_limit = symbol_limit
        self._connection_limit = connection_limit
        self._refusals: deque[int] = deque()
        self._subscriptions: dict[ServerConnection, dict[str, set[str]]] = {}
        self._lock = threading.Lock()
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=self._handshake, ping_interval=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return what stands for wss://stream.data.alpaca.markets."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.break_off()
        self._server.shutdown()
        self._thread.join()

    def refuse_next(self, *statuses: int) -> None:
        """Let the next handshakes end with these HTTP statuses."""
        self._refusals.extend(statuses)

    def wait_subscribed(self, count: int) -> None:
        """Wait until `count` subscriptions were confirmed since the start."""
        eventually(lambda: self.subscribed >= count, failing=f"the client did not subscribe {count} times")

    def wait_gone(self) -> None:
        """Wait until no client is connected."""
        eventually(lambda: not self._subscriptions, failing="the client did not go away")

    def send(self, ticker: str, bar: RawBar, kind: str = "b") -> None:
        """Send a bar (b) or an updated bar (u) to everyone who subscribed to it."""
        stamp = msgpack.Timestamp.from_datetime(datetime.fromisoformat(str(bar["t"])).astimezone(UTC))
        self.send_raw([{"T": kind, "S": ticker, **bar, "t": stamp}], ticker, CHANNELS[kind])

    def send_raw(self, messages: list[Mapping[str, Any]], ticker: str, channel: str = "bars") -> None:
        """Send one frame of messages as they are to everyone who subscribed to `ticker`."""
        with self._lock:
            for connection, channels in self._subscriptions.items():
                if {ticker, "*"} & channels.get(channel, set()):
                    _send(connection, messages)

    def send_error(self, code: int, text: str) -> None:
        """Send an error message to everyone."""
        with self._lock:
            for connection in self._subscriptions:
                _send(connection, [{"T": "error", "code": code, "msg": text}])

    def break_off(self) -> None:
        """Cut all connections, without the closing handshake."""
        with self._lock:
            for connection in self._subscriptions:
                with suppress(OSError):  # the client closed it a moment before
                    connection.socket.shutdown(socket.SHUT_RDWR)

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        feed = request.path.removeprefix("/v2/")
        if self.down:
            return connection.respond(503, "down\n")
        if self._refusals:
            return connection.respond(self._refusals.popleft(), "refused\n")
        return None if feed in ("iex", "sip", "delayed_sip") else connection.respond(404, "no such feed\n")

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            self._subscriptions[connection] = {}
        try:
            _send(connection, [{"T": "success", "msg": "connected"}])
            if self._sign_in(connection):
                for frame in connection:
                    self._subscribe(connection, msgpack.unpackb(frame))
        except ConnectionClosed:
            return
        finally:
            with self._lock:
                del self._subscriptions[connection]

    def _sign_in(self, connection: ServerConnection) -> bool:
        message = msgpack.unpackb(connection.recv())
        assert connection.request is not None
        feed = connection.request.path.removeprefix("/v2/")
        if (message.get("key"), message.get("secret")) != (KEY, SECRET):
            code, text = 402, "auth failed"
        elif feed not in self._feeds:
            code, text = 409, "insufficient subscription"
        elif len(self._subscriptions) > self._connection_limit:
            code, text = 406, "connection limit exceeded"
        else:
            self.signed_in += 1
            _send(connection, [{"T": "success", "msg": "authenticated"}])
            return True
        _send(connection, [{"T": "error", "code": code, "msg": text}])
        return False

    def _subscribe(self, connection: ServerConnection, message: Mapping[str, Any]) -> None:
        wanted = {channel: set(message.get(channel, [])) for channel in CHANNELS.values()}
        if len(set().union(*wanted.values())) > self._symbol_limit:
            _send(connection, [{"T": "error", "code": 405, "msg": "symbol limit exceeded"}])
            return
        with self._lock:
            self._subscriptions[connection] = wanted
        _send(connection, [{"T": "subscription", **{channel: sorted(symbols) for channel, symbols in wanted.items()}}])
        self.subscribed += 1


def _send(connection: ServerConnection, messages: list[Any]) -> None:
    connection.send(msgpack.packb(messages, datetime=True))
