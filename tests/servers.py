"""Servers of the embedded stack that run for a part of a test session."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from infra.embedded.unit import Unit

Server = TypeVar("Server", bound=Unit)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, healthy; it is stopped at the end whether it runs or not."""
    try:
        server.start()
        server.wait_healthy()
        yield server
    finally:
        server.stop()
