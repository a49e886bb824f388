"""The world that a command line asks for: its options over the settings of the simulated exchange."""

from datetime import date
from typing import Any

from producers.arguments import Arguments
from producers.simulated.settings import SimulatedSettings
from producers.simulated.truth import write_truth
from shared.contracts.calendar import sessions
from shared.errors import ConfigurationError
from shared.settings import RuntimeSettings


def world_of(arguments: Arguments) -> SimulatedSettings:
    """Return the world.

    Raises:
        ConfigurationError: an option or a setting is out of its bounds, or two contradict each other.
    """
    if len(arguments.tickers) > 1 or not all(name.isdecimal() for name in arguments.tickers):
        raise ConfigurationError("--tickers: the simulated exchange makes its own names; say how many, such as 10.")
    told = {
        "simulated_seed": arguments.seed,
        "simulated_sessions": arguments.sessions,
        "simulated_tickers": int(arguments.tickers[0]) if arguments.tickers else None,
        "simulated_start": arguments.start,
        "simulated_speed": arguments.speed,
    }
    asked: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    world = SimulatedSettings.load(**asked)
    if arguments.end is None:
        return world
    if arguments.sessions is not None:
        raise ConfigurationError("--end, --sessions: both say how long the simulated history is; give one of them.")
    return SimulatedSettings.load(**asked, simulated_sessions=_sessions(world.simulated_start, arguments.end))


def recorded_world_of(arguments: Arguments) -> SimulatedSettings:
    """Return the world, what is planted in it being recorded: estimates are shown beside it."""
    world = world_of(arguments)
    write_truth(world, RuntimeSettings.load().tickerstream_home)
    return world


def _sessions(start: date, end: date) -> int:
    """Return how many sessions there are from one date to the other, both included."""
    count = len(sessions(start, end)) if start <= end else 0
    if not count:
        raise ConfigurationError(
            f"--end: there is no session from {start} to {end}; give a later date, or an earlier --start."
        )
    return count
