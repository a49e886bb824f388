"""What the faulty proxy can do to a request, and the error answers of an S3 server."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class Fault(StrEnum):
    """What happens to one request."""

    NO_ANSWER = auto()  # taken, not passed on, never answered
    RESET = auto()  # taken, not passed on, connection reset
    ERROR_500 = auto()
    BUSY_503 = auto()
    FULL_507 = auto()
    DENIED_403 = auto()
    RIVAL = auto()  # the rival's write goes first
    LOST_ANSWER = auto()  # passed on, done, connection reset instead of the answer
    LATE_ANSWER = auto()  # passed on, done, the answer never comes
    SLOW_BODY = auto()  # the body comes byte by byte
    TRUNCATED_BODY = auto()  # half of the body, then the connection ends
    SPOILT_BODY = auto()  # a byte of the body is another


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _error(status: int, code: str, message: str) -> Answer:
    """Return an error in S3's shape."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, (("Content-Type", "application/xml"),), body.encode())


ERRORS: Final = {
    Fault.ERROR_500: _error(500, "InternalError", "We encountered an internal error, please try again."),
    Fault.BUSY_503: _error(503, "SlowDown", "Resource requested is unreadable, please reduce your request rate"),
    Fault.FULL_507: _error(507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold."),
    Fault.DENIED_403: _error(403, "AccessDenied", "Access Denied."),
}
