"""uvicorn under the conventions of every service: one stop flag, a heartbeat, an address that is known at once."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from shared.errors import ConfigurationError

SHUTDOWN_SECONDS: Final = 5
BACKLOG: Final = 2048


class Server(uvicorn.Server):
    """A server that leaves signals to the process, ends when told to, and says regularly how it is.

    Args:
        app: What it serves.
        stopping: Asked ten times a second.
        beat: Called once a second.
        ending: Called once at the end, before connections are waited for.
    """

    def __init__(
        self, app: ASGIApp, stopping: Callable[[], bool], beat: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._stopping = stopping
        self._beat = beat
        self._ending = ending
        self._beaten = float("-inf")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: the process has its own."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Beat, and end when told to."""
        now = time.monotonic()
        if now - self._beaten >= 1.0:
            self._beaten = now
            self._beat()
        ends = await super().on_tick(counter) or self._stopping()
        if ends:
            self._ending()
        return ends


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port` (0: a free one).

    Raises:
        ConfigurationError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"PREDICTOR_HOST, PREDICTOR_PORT: cannot listen on {host}:{port}: {reason}. Choose another one."
        raise ConfigurationError(text) from error
    return opened


def url_of(opened: socket.socket) -> str:
    """Return the address of a socket as a URL, with a slash at the end."""
    host, port = opened.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"
