"""Loopback ports: chosen once, kept, and changed only when somebody else took one."""

import json
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.files import read_object, write_atomic
from shared.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the local ports of outgoing connections, so that none of them sits on ours.
LOWEST, HIGHEST = 20_000, 32_000


@dataclass(frozen=True, slots=True)
class MovedPort:
    """A kept port that somebody else had taken.

    Attributes:
        name: What the port is for.
        old: The port that is taken.
        new: The port that is used from now on.
    """

    name: str
    old: int
    new: int


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(taken: Sequence[int] = ()) -> int:
    """Return a port that is free now and not in `taken`.

    Raises:
        ConfigurationError: None was found.
    """
    generator = random.SystemRandom()
    for _ in range(1000):
        port = generator.randrange(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise ConfigurationError(f"No free port between {LOWEST} and {HIGHEST} on {LOOPBACK}; stop what listens there.")


def load_ports(path: Path) -> dict[str, int]:
    """Return the kept ports by name; empty where none were kept yet."""
    kept = read_object(path) or {}
    return {name: port for name, port in kept.items() if isinstance(port, int)}


def choose_ports(path: Path, names: Sequence[str]) -> tuple[dict[str, int], list[MovedPort]]:
    """Return a port for each of `names`, the kept one where it is still free, and keep them in `path`.

    Returns:
        The ports by name, and those that had to move.
    """
    kept, chosen, moved = load_ports(path), {}, []
    for name in names:
        old = kept.get(name)
        if old is not None and is_free(old):
            chosen[name] = old
            continue
        chosen[name] = free_port([*kept.values(), *chosen.values()])
        if old is not None:
            moved.append(MovedPort(name, old, chosen[name]))
    write_atomic(path, json.dumps({**kept, **chosen}, indent=2) + "\n")
    return chosen, moved
