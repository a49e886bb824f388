"""A vendor's HTTP API on loopback, for tests: answers, limits the rate, records what was asked, and fails on demand."""

import json
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from shared.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it, the status of its answer (0: none), and the server's monotonic seconds."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Also a fault: `fail_next(Reply(500))`."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of(cls, body: Any, status: int = 200) -> "Reply":
        """Return `body` as JSON."""
        return cls(status, json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Cut:
    """A fault: the right answer, which breaks off after half of its bytes."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A fault: the connection is reset before any answer."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A fault: no answer until the client gives up."""


Fault = Reply | Cut | Reset | Silence


class VendorApi:
    """Base of the vendors' servers: a context manager; `url` is its address.

    Args:
        clock: The server's time: with a ManualClock, rate limits do not depend on the machine's speed.
        per_minute: Requests that are answered within one minute of the clock; more get a 429. None: any number.
    """

    def __init__(self, clock: Clock | None = None, per_minute: int | None = None) -> None:
        self.asked: list[Asked] = []
        self._clock = clock or SystemClock()
        self._per_minute = per_minute
        self._minutes: Counter[int] = Counter()
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Return the server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail_next(self, *faults: Fault) -> None:
        """Let the next requests fail, one fault each, in this order."""
        with self._lock:
            self._faults.extend(faults)

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Return the vendor's answer to a GET. To be overridden."""
        raise NotImplementedError

    def too_many(self) -> Reply:
        """Return the answer to a request above the limit."""
        return Reply.of({"message": "too many requests."}, 429)

    def take(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply | Cut | Reset | Silence:
        """Return what happens to one request, and record it."""
        with self._lock:
            outcome: Fault = self._faults.popleft() if self._faults else self._limited(path, query, headers)
            status = outcome.status if isinstance(outcome, Reply) else 0
            self.asked.append(Asked(path, query, headers, status, self._clock.monotonic()))
        return outcome

    def wait_until_over(self) -> None:
        """Wait until the server is closed."""
        self._over.wait(60)

    def _limited(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        if self._per_minute is None:
            return self.answer(path, query, headers)
        minute = int(self._clock.now().timestamp() // 60)
        self._minutes[minute] += 1
        remaining = self._per_minute - self._minutes[minute]
        limits = {
            "X-RateLimit-Limit": str(self._per_minute),
            "X-RateLimit-Remaining": str(max(0, remaining)),
            "X-RateLimit-Reset": str((minute + 1) * 60),
        }
        reply = self.answer(path, query, headers) if remaining >= 0 else self.too_many()
        return Reply(reply.status, reply.body, {**reply.headers, **limits}, reply.content_type)


def _handler_for(api: VendorApi) -> type[BaseHTTPRequestHandler]:
    """Return a request handler that asks `api`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            outcome = api.take(parts.path, query, dict(self.headers))
            if isinstance(outcome, Reply):
                self._send(outcome, len(outcome.body))
            elif isinstance(outcome, Cut):
                whole = api.answer(parts.path, query, dict(self.headers))
                self._send(whole, len(whole.body) // 2)
                self.close_connection = True
            elif isinstance(outcome, Reset):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
            else:
                api.wait_until_over()
                self.close_connection = True

        def _send(self, reply: Reply, sent_bytes: int) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[:sent_bytes])

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet: `asked` is the log."""

    return Handler
