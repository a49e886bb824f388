"""A real HTTP proxy on loopback that does to a client what networks and servers do: faults come where a test says."""

import contextlib
import http.client
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from shared.testing.faults import ERRORS, Answer, Fault

_HELD: Final = ("connection", "keep-alive", "transfer-encoding")
_TRICKLE_SECONDS: Final = 0.05


@dataclass
class Plan:
    """What a proxy is to do, and what it has seen.

    Attributes:
        faults: The next faults by method, each used up by one request.
        always: A fault of every request of a method, once `faults` has none.
        strip_conditions: Whether If-Match and If-None-Match are taken out: a store that ignores them.
        rival: Called before a request with Fault.RIVAL is passed on.
        seen: (method, path, fault) of every request.
        passed: How many requests reached the server behind, by method.
    """

    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    strip_conditions: tuple[str, ...] = ()
    rival: Callable[[], object] = lambda: None
    seen: list[tuple[str, str, Fault | None]] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)

    def inject(self, method: str, *faults: Fault) -> None:
        """Let the next requests of `method` meet these faults, one each."""
        self.faults.setdefault(method, deque()).extend(faults)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault of this request, and note it."""
        waiting = self.faults.get(method)
        fault = waiting.popleft() if waiting else self.always.get(method)
        self.seen.append((method, path, fault))
        return fault

    def count(self, method: str) -> int:
        """Return how many requests of `method` came."""
        return sum(1 for seen, _, _ in self.seen if seen == method)


@dataclass(frozen=True, slots=True)
class FaultyProxy:
    """A running proxy: its port on 127.0.0.1 and its plan."""

    port: int
    plan: Plan


@contextlib.contextmanager
def faulty_proxy(upstream_port: int) -> Iterator[FaultyProxy]:
    """Run a proxy before the HTTP server at 127.0.0.1:`upstream_port`."""
    plan, stopping = Plan(), threading.Event()
    handler = type("Handler", (_Handler,), {"plan": plan, "upstream_port": upstream_port, "stopping": stopping})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield FaultyProxy(server.server_address[1], plan)
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan: Plan
    upstream_port: int
    stopping: threading.Event

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.plan.next_fault(self.command, self.path)
        if fault in ERRORS:
            self._answer(ERRORS[fault], len(ERRORS[fault].body))
        elif fault is Fault.NO_ANSWER:
            self._hold()
        elif fault is Fault.RESET:
            self._reset()
        else:
            if fault is Fault.RIVAL:
                self.plan.rival()
            self._spoil(self._pass_on(body), fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _handle  # noqa: N815  the base class's names

    def _pass_on(self, body: bytes) -> Answer:
        self.plan.passed[self.command] = self.plan.passed.get(self.command, 0) + 1
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HELD}
        for name in self.plan.strip_conditions:
            headers.pop(name, None)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=30)) as upstream:
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            return Answer(answer.status, tuple(answer.getheaders()), answer.read())

    def _spoil(self, answer: Answer, fault: Fault | None) -> None:
        body = answer.body
        match fault:
            case Fault.LOST_ANSWER:
                self._reset()
            case Fault.LATE_ANSWER:
                self._hold()
            case Fault.SLOW_BODY:
                self._answer(Answer(answer.status, answer.headers, b""), len(body))
                self._trickle(body)
            case Fault.TRUNCATED_BODY:
                self._answer(Answer(answer.status, answer.headers, body[: len(body) // 2]), len(body))
                self.close_connection = True
            case Fault.SPOILT_BODY:
                spoilt = bytes([body[0] ^ 1]) + body[1:]
                self._answer(Answer(answer.status, answer.headers, spoilt), len(body))
            case _:
                self._answer(answer, len(body))

    def _answer(self, answer: Answer, length: int) -> None:
        """Send the answer; `length` is what Content-Length says, also when less is sent."""
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in (*_HELD, "content-length") or (
                self.command == "HEAD" and name.lower() == "content-length"
            ):
                self.send_header(name, value)
        if self.command != "HEAD" and answer.status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
            self.wfile.flush()

    def _trickle(self, body: bytes) -> None:
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            if self.stopping.wait(_TRICKLE_SECONDS):
                break
        self.close_connection = True

    def _hold(self) -> None:
        """Keep the connection open and silent until the client goes away."""
        self.close_connection = True
        self.connection.settimeout(_TRICKLE_SECONDS)
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1024):
                    return

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
