"""What a person may try after a demo, as commands that work on the same home."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from cli.output import Output

_LIVE: Final = "tickerstream live --speed 600{home}"
NEXT: Final = (
    ("tickerstream status{home}", "what runs, memory, restarts, training, the page's address"),
    ("tickerstream predict {ticker}{home}", "the newest prediction of a ticker, beside the baseline"),
    ("tickerstream models show {ticker}{home}", "its models: metrics out of sample, baselines, verdicts"),
    ("tickerstream train {ticker} --wait{home}", "train it again, and watch"),
    ("tickerstream verify features{home}", "stored rows against a fresh computation, bit by bit"),
    ("tickerstream lake head {ticker}{home}", "the newest bars of a ticker"),
    ("tickerstream lake ls stock-data{home}", "tickers, objects, rows, sizes"),
    ("tickerstream topics tail h_alpaca -n 3{home}", "records, decoded"),
    ("tickerstream dlq list{home}", "what was refused, and why"),
    (_LIVE, "the simulated exchange, ten minutes a second"),
    ("tickerstream down{home}", "stop; what is stored stays"),
)
NEXT_ONCE: Final = (
    ("tickerstream lake ls stock-data{home}", "what is in the lake: tickers, objects, rows, sizes"),
    ("tickerstream lake head {ticker}{home}", "the newest bars of a ticker"),
    ("tickerstream demo{home}", "the same without --once: goes on live"),
    ("tickerstream up{home}", "start the stack again: it says where the page is; then predict, models, status, live"),
)


def home_option(home: Path | None) -> str:
    """Return what has to be added to a command so that it works on the same home."""
    return f" --home {shlex.quote(str(home))}" if home else ""


def show_next(
    output: Output, commands: tuple[tuple[str, str], ...], ticker: str | None, home: Path | None, where: str = ""
) -> None:
    """Write the commands, each with what it does.

    Args:
        output: Where to.
        commands: NEXT or NEXT_ONCE.
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
