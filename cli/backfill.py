"""`tickerstream backfill`: publish history from a source through the running stack."""

from dataclasses import asdict, replace
from typing import Annotated, Literal

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.options import (
    AdjustedOption,
    BarsOption,
    EndOption,
    FundamentalsOption,
    MacroOption,
    SeedOption,
    SessionsOption,
    StartOption,
    TickersOption,
    TimezoneOption,
    day_of,
    names_in,
)
from cli.output import Output, duration
from cli.pipeline.backfill import BackfillRun, Result
from cli.pipeline.plan import Choice, declare, plan
from cli.progress import board
from cli.settings import Connection, connect
from cli.tables import Column, number
from cli.tickers import registry_of

EXAMPLES = """
**Examples**

- `tickerstream backfill --bars ~/bars --timezone America/New_York` publishes your own files.
- `tickerstream backfill --source alpaca --tickers AAPL,MSFT --start 2026-01-01` needs ALPACA_API_KEY and
  ALPACA_SECRET_KEY.
- `tickerstream backfill --source fred` needs FRED_API_KEY.
"""


def register(app: typer.Typer) -> None:
    """Add the command `backfill` to `app`."""
    app.command(epilog=EXAMPLES)(backfill)


def backfill(
    source: Annotated[
        Literal["files", "simulated", "alpaca", "fred"] | None,
        typer.Option(help="Where from; files where a path is given, else it has to be said."),
    ] = None,
    bars: BarsOption = None,
    macro: MacroOption = None,
    fundamentals: FundamentalsOption = None,
    timezone: TimezoneOption = None,
    adjusted: AdjustedOption = False,
    tickers: TickersOption = None,
    series: Annotated[
        str | None, typer.Option(help="FRED or --macro: only these series, with commas.", metavar="A,B")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    sessions: SessionsOption = None,
    seed: SeedOption = None,
    again: Annotated[bool, typer.Option("--again", help="Publish again, even what is confirmed.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish history and wait until it lies in the lake. Interrupted, the same command goes on where it stands.

    --start and --end choose bars (FRED: observations, and what it knew); series and filings of files go as a whole.
    A run that is complete is not published again. Exit code 1 if a whole file could not be read.
    """
    output = Output.of(as_json)
    choice = Choice(
        source=source,
        bars=bars,
        macro=macro,
        fundamentals=fundamentals,
        timezone=timezone,
        adjusted=adjusted,
        tickers=names_in(tickers),
        series=names_in(series),
        start=day_of(start),
        end=day_of(end),
        sessions=sessions,
        seed=seed,
        again=again,
    )
    if source is None and not choice.of_files:
        raise typer.BadParameter("say where from, or give --bars, --macro or --fundamentals", param_hint="--source")
    run_id, result = _publish(output, connect(home), choice)
    _show(output, run_id, result)
    if any(p.code for p in result.published.values()):
        raise typer.Exit(FAILED)


def _publish(output: Output, system: Connection, choice: Choice) -> tuple[str, Result]:
    """Publish and wait, with progress shown; return the id of the run and what was done."""
    if choice.source == "alpaca" and not choice.tickers:
        with registry_of(system.postgres) as registry:
            choice = replace(choice, tickers=tuple(registry.active()))
    planned = plan(choice, system.kafka)
    declare(planned, system.kafka, again=choice.again)
    with board(output) as shown:
        result = BackfillRun(system, planned, shown, system.home.logs if system.home else None).run()
    return planned.run.run_id, result


def _show(output: Output, run_id: str, result: Result) -> None:
    if output.json:
        output.document({"run_id": run_id, **asdict(result)})
        return
    names = ("read", "duplicates", "rejected", "published", "records")
    output.table(
        [Column("producer", style="bold"), *(number(name) for name in names), number("peak MiB")],
        [[p.producer, *(p.count(name) for name in names), p.peak_rss_mib] for p in result.published.values()],
    )
    for published in result.published.values():
        for problem in published.problems:
            output.line(f"could not be read: {problem}", style="yellow")
    done = "was complete already" if result.already_done else f"in the lake after {duration(result.landed_seconds)}"
    output.line(f"run {run_id} {done}", style="green")
