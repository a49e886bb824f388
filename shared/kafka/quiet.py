"""Keeps the log readable while a broker is away: librdkafka says the same at every try to connect."""

import logging
import re
import time
from typing import Final

_NUMBER: Final = re.compile(r"\d+")
_MOST: Final = 256


class OncePerWhile(logging.Filter):
    """Lets a line pass unless one that differs only in its numbers passed less than `seconds` ago.

    Args:
        seconds: The while.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is to be written."""
        text, now = _NUMBER.sub("#", record.getMessage()), time.monotonic()
        if now - self._passed.get(text, float("-inf")) < self._seconds:
            return False
        if len(self._passed) >= _MOST:
            self._passed.clear()
        self._passed[text] = now
        return True
