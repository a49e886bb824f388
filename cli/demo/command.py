"""`tickerstream demo`: start the stack, publish, land in the lake, verify, train, predict, and go on live."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.demo.report import DemoReport, show_proof
from cli.demo.run import DemoRun, Until
from cli.live import SpeedOption
from cli.options import (
    AdjustedOption,
    BarsOption,
    FundamentalsOption,
    MacroOption,
    SeedOption,
    SessionsOption,
    TickersOption,
    TimezoneOption,
    names_in,
)
from cli.output import Output
from cli.pipeline.plan import Choice
from cli.prediction_view import show_predictions
from cli.verify.report import SHOWN, faults, verdict
from infra.embedded.settings import resolve_home

EXAMPLES = """
**Examples**

- `tickerstream demo --once` runs a simulated exchange through the whole way and stops.
- `tickerstream demo` does the same and goes on live.
- `tickerstream demo --bars ~/bars --timezone America/New_York --once --report report.json` takes your own files.
"""
LIVE = "tickerstream live --speed 600{home}"
NEXT = (
    ("tickerstream status{home}", "what runs, memory, restarts, training, the page's address"),
    ("tickerstream predict {ticker}{home}", "the newest prediction of a ticker, beside the baseline"),
    ("tickerstream models show {ticker}{home}", "its models: metrics out of sample, baselines, verdicts"),
    ("tickerstream train {ticker} --wait{home}", "train it again, and watch"),
    ("tickerstream verify features{home}", "stored rows against a fresh computation, bit by bit"),
    ("tickerstream lake head {ticker}{home}", "the newest bars of a ticker"),
    ("tickerstream lake ls stock-data{home}", "tickers, objects, rows, sizes"),
    ("tickerstream topics tail h_alpaca -n 3{home}", "records, decoded"),
    ("tickerstream dlq list{home}", "what was refused, and why"),
    (LIVE, "the simulated exchange, ten minutes a second"),
    ("tickerstream down{home}", "stop; what is stored stays"),
)
NEXT_ONCE = (
    ("tickerstream lake ls stock-data{home}", "what is in the lake: tickers, objects, rows, sizes"),
    ("tickerstream lake head {ticker}{home}", "the newest bars of a ticker"),
    ("tickerstream demo{home}", "the same without --once: goes on live"),
    ("tickerstream up{home}", "start the stack again: it says where the page is; then predict, models, status, live"),
)


def register(app: typer.Typer) -> None:
    """Add the command `demo` to `app`."""
    app.command(epilog=EXAMPLES)(demo)


def demo(
    bars: BarsOption = None,
    macro: MacroOption = None,
    fundamentals: FundamentalsOption = None,
    timezone: TimezoneOption = None,
    adjusted: AdjustedOption = False,
    tickers: TickersOption = None,
    sessions: SessionsOption = None,
    seed: SeedOption = None,
    speed: SpeedOption = None,
    once: Annotated[bool, typer.Option("--once", help="End after the proof instead of going live.")] = False,
    until: Annotated[Until, typer.Option(help="Go only so far, and start only what that needs.")] = Until.SERVED,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin empty: what this home stores is removed.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the numbers to this file.", metavar="FILE")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole way on real Kafka: publish, land in the lake, prove it; make features, train, serve predictions.

    Without a path a simulated exchange makes the data; with one, only what you give is there. A second run of the same
    data publishes nothing and proves it again. With --once a stack that was started here is stopped at the end.
    Exit code 1 if anything is lost or there twice, a bar has no feature row, or a file could not be read.
    """
    output = Output.of(as_json)
    choice = Choice(
        bars=bars,
        macro=macro,
        fundamentals=fundamentals,
        timezone=timezone,
        adjusted=adjusted,
        tickers=names_in(tickers),
        sessions=sessions,
        seed=seed,
    )
    run = DemoRun(output, resolve_home(home), choice, hold_out=not once, until=until)
    run.home_option = f" --home {home}" if home else ""
    try:
        found = run.prove(fresh=fresh)
        _show(output, found)
        _write(output, found, report)
        if once:
            _try_next(output, run, NEXT_ONCE, "")
        elif found.good:
            _go_on(output, run, speed)
    finally:
        run.close(keep_up=not once)
    if not found.good or found.document()["problems"]:
        raise typer.Exit(FAILED)


def _show(output: Output, found: DemoReport) -> None:
    if not output.json:
        show_proof(output, found)
        if found.served and found.served.predictions:
            output.line()
            show_predictions(output, found.served.predictions[:SHOWN])
    for line in found.served.failed[:SHOWN] if found.served else []:
        output.line(f"no model of {line}", style="yellow")
    problems = found.document()["problems"]
    for problem in problems[:SHOWN]:
        output.line(f"could not be read: {problem}", style="yellow")
    if len(problems) > SHOWN:
        output.line(f"and {len(problems) - SHOWN:,} more (see `tickerstream dlq list --each`)", style="yellow")
    for fault in faults(found.verification):
        output.line(fault, style="red")
    output.line()
    output.line(verdict(found.verification), style="bold green" if found.good else "bold red")


def _write(output: Output, found: DemoReport, report: Path | None) -> None:
    document = found.document()
    output.document(document)
    if report:
        report.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        output.line(f"report: {report}", style="dim")


def _try_next(output: Output, run: DemoRun, commands: tuple[tuple[str, str], ...], where: str) -> None:
    output.line()
    output.line(f"what to try next{where}:", style="bold")
    if shutil.which("tickerstream") is None:
        output.line(f"  . {Path(sys.prefix) / 'bin' / 'activate'}   (so that the command is found)")
    names = {"ticker": run.a_ticker or "TICKER", "home": run.home_option}
    lines = [(command.format(**names), what) for command, what in commands]
    width = max(len(command) for command, _ in lines)
    for command, what in lines:
        output.line(f"  {command:<{width}}   {what}")
    output.line()


def _go_on(output: Output, run: DemoRun, speed: float | None) -> None:
    if run.page:
        output.line(f"predictions, verdicts, runs and training, as they go on: {run.page}", style="bold cyan")
    _try_next(output, run, NEXT, " (in another terminal, or after Ctrl-C)")
    if not run.can_go_live:
        output.line("all bars are of one session: none is left to be replayed", style="yellow")
    else:
        if run.held_out:
            output.line(f"replaying the session of {run.held_out}, which was kept back, marked as a replay", "bold")
        bars = run.go_live(speed)
        output.line(f"{bars:,} live bars came by", style="green")
    output.line(f"the stack stays up; `tickerstream down{run.home_option}` stops it", style="green")
