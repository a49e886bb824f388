"""`tickerstream demo`: start the stack, publish, land in the lake, verify, train, predict, and go on live."""

from pathlib import Path
from typing import Annotated

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.demo.next_steps import home_option, next_once, next_up, show_next
from cli.demo.report import DemoReport, show_proof
from cli.demo.run import DemoRun, Until
from cli.live import SpeedOption
from cli.options import (
    AdjustedOption,
    BarsOption,
    FundamentalsOption,
    MacroOption,
    ReportOption,
    SeedOption,
    SessionsOption,
    TickersOption,
    TimezoneOption,
    names_in,
)
from cli.output import Output
from cli.pipeline.plan import Choice
from cli.pipeline.training import by_reason
from cli.prediction_view import show_predictions
from cli.verify.report import SHOWN, faults, verdict
from infra.embedded.settings import resolve_home
from shared.errors import ConfigurationError

EXAMPLES = """
**Examples**

- `tickerstream demo --once` runs a simulated exchange through the whole way and stops.
- `tickerstream demo` does the same and goes on live.
- `tickerstream demo --bars ~/bars --timezone America/New_York --once --report report.json` takes your own files.
"""


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
    report: ReportOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole way on real Kafka: publish, land in the lake, prove it; make features, train, serve predictions.

    Without a path a simulated exchange makes the data; with one, only what you give is there. A second run of the same
    data publishes nothing and proves it again. With --once a stack that was started here is stopped at the end.
    Exit code 1 if anything is lost or there twice, a bar has no feature row, or a file could not be read.
    """
    if once and speed is not None:
        raise ConfigurationError("--speed: with --once nothing goes live; leave one of them out.")
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
    try:
        found = run.prove(fresh=fresh)
        _show(output, found)
        output.document(found.document())
        if report:
            output.report(report, found.document())
        if once:
            show_next(output, next_once(served=found.served is not None), run.a_ticker, home)
        elif found.good:
            _go_on(output, run, found, speed, home)
    finally:
        run.close(keep_up=not once)
    if not found.good or found.problems:
        raise typer.Exit(FAILED)


def _show(output: Output, found: DemoReport) -> None:
    if not output.json:
        show_proof(output, found)
        if found.served and found.served.predictions:
            output.line()
            show_predictions(output, found.served.predictions[:SHOWN])
    for problem in found.problems[:SHOWN]:
        output.line(f"could not be read: {problem}", style="yellow")
    if len(found.problems) > SHOWN:
        more = len(found.problems) - SHOWN
        output.line(f"and {more:,} more (with the stack up, `tickerstream dlq list --each` has them)", style="yellow")
    for note in found.notes[:SHOWN]:
        output.line(f"note: {note}", style="dim")
    if len(found.notes) > SHOWN:
        output.line(f"and {len(found.notes) - SHOWN:,} more notes (--report FILE has all)", style="dim")
    for line in by_reason(found.served.failed) if found.served else []:
        output.line(f"no model of {line}", style="yellow")
    for fault in faults(found.verification):
        output.line(fault, style="red")
    output.line()
    output.line(verdict(found.verification), style="bold green" if found.good else "bold red")


def _go_on(output: Output, run: DemoRun, found: DemoReport, speed: float | None, home: Path | None) -> None:
    if run.page:
        output.line(f"predictions, verdicts, runs and training, as they go on: {run.page}", style="bold cyan")
    commands = next_up(served=found.served is not None, simulated=found.simulated)
    show_next(output, commands, run.a_ticker, home, " (in another terminal, or after Ctrl-C)")
    if not run.can_go_live:
        output.line("all bars are of one session: none is left to be replayed", style="yellow")
    else:
        if run.held_out:
            output.line(f"replaying the session of {run.held_out}, which was kept back, marked as a replay", "bold")
        bars = run.go_live(speed)
        output.line(f"{bars:,} live bars came by", style="green")
    output.line(f"the stack stays up; `tickerstream down{home_option(home)}` stops it", style="green")
