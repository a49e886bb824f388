"""The command line of the producers."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

Producer = Literal["stock", "macro", "company"]
SOURCES: Final = ("files", "simulated", "alpaca", "fred")
SLOWEST: Final = 0.001  # seconds of a live source that pass in one of ours
FASTEST: Final = 1e6


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a person or the `tickerstream` command asks for. None: not said."""

    producer: Producer
    source: str
    run_id: str | None = None
    json: bool = False
    live: bool = False
    again: bool = False
    tickers: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    bars: Path | None = None
    macro: Path | None = None
    fundamentals: Path | None = None
    timezone: str | None = None
    adjusted: bool = False
    ticker: str | None = None
    seed: int | None = None
    sessions: int | None = None
    speed: float | None = None


def parse(argv: Sequence[str] | None = None) -> Arguments:
    """Return the arguments; ends the process with 2 and one line where they are wrong."""
    return Arguments(**vars(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m producers",
        description="Read a source and publish it to Kafka: bars, macro vintages, or company filings. A run that was "
        "interrupted goes on where it stopped; a run that is complete does nothing.",
    )
    parser.add_argument("producer", choices=("stock", "macro", "company"), help="what to publish")
    parser.add_argument("--source", choices=SOURCES, default="simulated", help="where from (default: %(default)s)")
    parser.add_argument("--run-id", metavar="ID", help="id of a run that the caller has declared")
    parser.add_argument("--json", action="store_true", help="JSON lines on standard output")
    parser.add_argument("--live", action="store_true", help="go on with live data until told to stop")
    parser.add_argument("--again", action="store_true", help="publish again, even what is confirmed or told")
    parser.add_argument("--tickers", type=names_in, default=(), metavar="A,B", help="only these (simulated: how many)")
    parser.add_argument(
        "--series", type=names_in, default=(), metavar="A,B", help="macro series (default: MACRO_SERIES)"
    )
    days = parser.add_argument_group("days, New York: of bars, of a simulated history, or of what FRED knew")
    days.add_argument("--start", type=date.fromisoformat, metavar="DATE", help="first, such as 2025-01-02")
    days.add_argument("--end", type=date.fromisoformat, metavar="DATE", help="last, inclusive")
    parser.add_argument(
        "--speed",
        type=_speed,
        metavar="X",
        help="live, files or simulated: seconds of theirs a second (default: 60; simulated: SIMULATED_SPEED)",
    )
    files = parser.add_argument_group("source files")
    files.add_argument("--bars", type=Path, metavar="PATH", help="folder or file of bars, for stock")
    files.add_argument("--macro", type=Path, metavar="PATH", help="folder or file of macro series, for macro")
    files.add_argument("--fundamentals", type=Path, metavar="PATH", help="folder or file of filings, for company")
    files.add_argument("--timezone", metavar="TZ", help="zone of times that have none, such as America/New_York")
    files.add_argument("--adjusted", action="store_true", help="the prices are already adjusted for splits")
    files.add_argument("--ticker", help="the ticker of all files in --bars")
    simulated = parser.add_argument_group("source simulated")
    simulated.add_argument("--seed", type=int, help="what the world follows from (SIMULATED_SEED)")
    simulated.add_argument("--sessions", type=int, help="sessions of history (SIMULATED_SESSIONS)")
    return parser


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas, each once, in order."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _speed(text: str) -> float:
    speed = float(text)
    if not SLOWEST <= speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"{text} is not between {SLOWEST:g} and {FASTEST:,.0f}")
    return speed
