"""What a person may try after a demo, as commands that work on the same home."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from cli.output import Output

Steps = tuple[tuple[str, str], ...]

_LAKE: Final[Steps] = (
    ("tickerstream lake head {ticker}{home}", "the newest bars of a ticker"),
    ("tickerstream lake ls stock-data{home}", "tickers, objects, rows, sizes"),
)
_SERVED: Final[Steps] = (
    ("tickerstream predict {ticker}{home}", "the newest prediction of a ticker, beside the baseline"),
    ("tickerstream models show {ticker}{home}", "its models: metrics out of sample, baselines, verdicts"),
    ("tickerstream train {ticker} --wait{home}", "train it again, and watch"),
    ("tickerstream verify features{home}", "stored rows against a fresh computation, bit by bit"),
)


def next_up(*, served: bool, simulated: bool) -> Steps:
    """Return what may be tried while the stack is up.

    Args:
        served: Whether models were trained and serve.
        simulated: Whether the bars are the simulated exchange's.
    """
    live = (("tickerstream live --speed 600{home}", "the simulated exchange, ten minutes a second"),)
    return (
        ("tickerstream status{home}", "what runs, memory, restarts, training, the page's address"),
        *(_SERVED if served else ()),
        *_LAKE,
        ("tickerstream topics tail h_alpaca -n 3{home}", "records, decoded"),
        ("tickerstream dlq list{home}", "what was refused, and why"),
        *(live if simulated else ()),
        ("tickerstream down{home}", "stop; what is stored stays"),
    )


def next_once(*, served: bool) -> Steps:
    """Return what may be tried while the stack is down."""
    further = "predict, models, status, dlq list, live" if served else "status, dlq list, topics"
    return (
        *reversed(_LAKE),
        ("tickerstream demo{home}", "the same without --once: goes on live"),
        ("tickerstream up{home}", f"start the stack again: it says where the page is; then {further}"),
    )


def home_option(home: Path | None) -> str:
    """Return what has to be added to a command so that it works on the same home."""
    return f" --home {shlex.quote(str(home))}" if home else ""


def show_next(output: Output, commands: Steps, ticker: str | None, home: Path | None, where: str = "") -> None:
    """Write the commands, each with what it does.

    Args:
        output: Where to.
        commands: What may be tried.
        ticker: One for the examples; None = there is none.
        home: The home that was named; None = the usual one.
        where: Where to type them.
    """
    output.line()
    output.line(f"what to try next{where}:", style="bold")
    if shutil.which("tickerstream") is None:
        output.line(f"  . {Path(sys.prefix) / 'bin' / 'activate'}   (so that the command is found)")
    names = {"ticker": shlex.quote(ticker or "TICKER"), "home": home_option(home)}
    lines = [(command.format(**names), what) for command, what in commands]
    width = max(len(command) for command, _ in lines)
    for command, what in lines:
        output.line(f"  {command:<{width}}   {what}")
    output.line()
