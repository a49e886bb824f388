"""The HTTP pool under the S3 client: conditional writes, bounded times, and a server that is unwell told apart."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Timeout

_CONDITION: ContextVar[dict[str, str] | None] = ContextVar("condition", default=None)
_NOT_IMPLEMENTED: Final = 501
_CONNECT_SECONDS: Final = 5.0
_CONNECTIONS: Final = 32


class ServerUnwellError(Exception):
    """The server answered 5xx, or that it is asked too much.

    Args:
        status: The HTTP status.
        body: The first KiB of the answer, for the S3 code in it.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"status {status} {' '.join(body.split())[:200]}".strip())
        self.status = status
        self.body = body


class ConditionalPool(PoolManager):
    """A pool that adds the condition in force to each PUT (the minio package has no argument for it).

    It does not retry: whoever writes has to find out first what became of a write without an answer.

    Args:
        timeout: Seconds that one answer may take to begin, and one request body to be sent.
    """

    def __init__(self, timeout: float) -> None:
        limits = Timeout(connect=min(timeout, _CONNECT_SECONDS), read=timeout)
        super().__init__(num_pools=4, maxsize=_CONNECTIONS, timeout=limits, retries=False)

    def urlopen(  # type: ignore[override]  # urllib3 types its keywords one by one
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> BaseHTTPResponse:
        """Send the request with the condition in force.

        Raises:
            ServerUnwellError: the server answered 5xx (but 501) or 429.
        """
        condition = _CONDITION.get()
        if condition and method == "PUT":
            headers = HTTPHeaderDict(kw.get("headers") or {})
            headers.update(condition)
            kw["headers"] = headers
        response = super().urlopen(method, url, redirect=redirect, **kw)
        if (response.status >= 500 and response.status != _NOT_IMPLEMENTED) or response.status == 429:
            body = response.data[:1024].decode(errors="replace")
            response.release_conn()
            raise ServerUnwellError(response.status, body)
        return response


@contextlib.contextmanager
def only_if(expected: str | None) -> Iterator[None]:
    """Make every PUT of this thread inside the block conditional: on the etag, or (None) on there being no object."""
    condition = {"If-None-Match": "*"} if expected is None else {"If-Match": f'"{expected}"'}
    token = _CONDITION.set(condition)
    try:
        yield
    finally:
        _CONDITION.reset(token)
