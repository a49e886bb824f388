"""What a process serves beside its work: `/metrics` for Prometheus, and its heartbeat as `/health`."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from shared.errors import ConfigurationError
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.usage import cpu_seconds, memory_mib, uptime_seconds

OLDEST_SECONDS: Final = 60.0
"""A beat that is older is the beat of a process that hangs."""

Answer = tuple[HTTPStatus, str, bytes]


@contextmanager
def serving(host: str, port: int, heartbeat: Heartbeat) -> Iterator[int]:
    """Serve in threads of its own while inside; yield the port (`port` 0 takes a free one).

    Raises:
        ConfigurationError: the address cannot be used.
    """
    try:
        server = make_server(host, port, application(heartbeat), server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"METRICS_HOST, METRICS_PORT: cannot listen on {host}:{port}: {reason}. Choose another one, or leave "
            "METRICS_PORT unset."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def application(heartbeat: Heartbeat) -> Callable[[WSGIEnvironment, StartResponse], list[bytes]]:
    """Return the WSGI application."""
    routes: dict[str, Callable[[], Answer]] = {"/metrics": _metrics, "/health": lambda: _health(heartbeat)}

    def answer(environment: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        route = routes.get(environment.get("PATH_INFO", ""))
        if environment["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, kind, body = HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET\n"
        elif route is None:
            status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /health\n"
        else:
            status, kind, body = route()
        start(f"{status.value} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [b"" if environment["REQUEST_METHOD"] == "HEAD" else body]

    return answer


def _metrics() -> Answer:
    return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)


def _health(heartbeat: Heartbeat) -> Answer:
    document = health(heartbeat)
    status = HTTPStatus.OK if document["well"] else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(document).encode() + b"\n"


def health(heartbeat: Heartbeat) -> dict[str, Any]:
    """Return the newest beat with its age, whether it is one of a process that is well, and what the process uses."""
    beat, age = heartbeat.last, heartbeat.age
    process = psutil.Process()
    rss, peak = memory_mib(process)
    return {
        **(beat.document() if beat else {"state": "starting", "detail": "", "counters": {}}),
        "age_seconds": None if age is None else round(age, 1),
        "well": beat is not None and beat.state != "stopped" and age is not None and age <= OLDEST_SECONDS,
        "host": socket.gethostname(),
        "rss_mib": rss,
        "peak_rss_mib": peak,
        "cpu_seconds": cpu_seconds(process),
        "uptime_seconds": uptime_seconds(process),
    }


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request; none keeps the process alive."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind; the library's way asks DNS for our name, which may hang where there is none."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    """Logs no request, and waits for nobody who does not speak."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
