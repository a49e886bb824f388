"""Places where tests make a process die, stop or fail at an exact point; nothing but a look-up otherwise."""

import os
import re
import signal
from dataclasses import dataclass
from typing import Final

from shared.errors import ConfigurationError

_PATTERN: Final = re.compile(r"(?P<name>[\w.-]+)=(?P<act>kill|stop|raise)(@(?P<at>[1-9]\d*))?")


@dataclass(slots=True)
class _Trap:
    act: str
    at: int
    passed: int = 0


_traps: dict[str, _Trap] = {}


def configure(text: str) -> None:
    """Set the failpoints of this process, for example `consumers.stock.before_commit=kill@3,other=raise`.

    `kill` is SIGKILL, `stop` is SIGSTOP, `raise` is a RuntimeError; each acts once, at the n-th passage (default 1).

    Raises:
        ConfigurationError: the text is not of this form.
    """
    _traps.clear()
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = _PATTERN.fullmatch(part)
        if match is None:
            raise ConfigurationError(f"TICKERSTREAM_FAILPOINTS: '{part}' is not name=kill|stop|raise[@n]. Mend it.")
        _traps[match["name"]] = _Trap(match["act"], int(match["at"] or 1))


def failpoint(name: str) -> None:
    """Act here if TICKERSTREAM_FAILPOINTS says so."""
    if not _traps:
        return
    trap = _traps.get(name)
    if trap is None:
        return
    trap.passed += 1
    if trap.passed != trap.at:
        return
    if trap.act == "raise":
        raise RuntimeError(f"failpoint {name}")
    os.kill(os.getpid(), signal.SIGKILL if trap.act == "kill" else signal.SIGSTOP)
