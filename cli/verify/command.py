"""`tickerstream verify`: `lake` here: is everything there, once, where it belongs?"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.app import FAILED, HomeOption, JsonOption, new_group
from cli.options import EndOption, ReportOption, StartOption, names_in, zone_of
from cli.output import Output
from cli.progress import board
from cli.settings import connect
from cli.verify.features import verify_features
from cli.verify.lake import verify
from cli.verify.lookahead import verify_lookahead
from cli.verify.report import show
from cli.verify.source_files import Source, midnight
from shared.errors import ConfigurationError

EXAMPLES = """
**Examples**

- `tickerstream verify lake` compares the lake with the topics.
- `tickerstream verify lake --bars ~/bars --timezone America/New_York` compares it with the files, too.
- `tickerstream verify lake --bars ~/bars --start 2026-01-02` does so after a backfill with that --start.
- `tickerstream verify lake --report verify.json` keeps counts and hashes of every ticker and week.
"""


def register(app: typer.Typer) -> None:
    """Add the group `verify` to `app`."""
    group = new_group("Prove what is stored.")
    group.command("lake", epilog=EXAMPLES)(verify_lake)
    group.command("features")(verify_features)
    group.command("lookahead")(verify_lookahead)
    app.add_typer(group, name="verify")


def verify_lake(
    home: HomeOption = None,
    bars: Annotated[
        Path | None, typer.Option(help="Also compare with these source files: a folder or a file.", metavar="PATH")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times in the files that carry none.", metavar="ZONE")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    tickers: Annotated[str | None, typer.Option(help="Only these, with commas.", metavar="A,B")] = None,
    topics: Annotated[bool, typer.Option("--topics/--no-topics", help="Compare with the topics.")] = True,
    report: ReportOption = None,
    wide: Annotated[bool, typer.Option("--all", help="Show every ticker, however many there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that every bar of the topics, and of the source files if given, is in the lake exactly once.

    The lake and the files are read by code of their own, which the services do not use. Checked are counts and content
    hashes by ticker and week, versions stored twice, bars with several current versions or none, rows that no
    topic has, unreadable objects and objects or rows in the wrong place. Missing minutes are counted, not judged.
    With --start or --end only those days of the files are compared: give what `backfill` was given.
    Exit code 1 if anything is wrong.
    """
    output = Output.of(as_json)
    chosen = _chosen(tickers)
    source = _source(bars, timezone, start, end, chosen)
    system = connect(home, must_be_up=topics)
    with board(output) as shown:
        found = verify(system.lake, system.kafka if topics else None, shown, source, chosen)
    output.document(found.document())
    if not as_json:
        show(output, found, wide)
    if report:
        output.report(report, found.document())
    if not found.good:
        raise typer.Exit(FAILED)


def _source(
    bars: Path | None,
    timezone: str | None,
    start: datetime | None,
    end: datetime | None,
    chosen: frozenset[str] | None,
) -> Source | None:
    """Return the files to compare with; None where none are given.

    Raises:
        ConfigurationError: there is no such zone, or something is said of files and none are given.
    """
    zone = zone_of(timezone)
    if bars is None:
        said = {"--timezone": timezone, "--start": start, "--end": end}
        unused = [option for option, value in said.items() if value is not None]
        if unused:
            raise ConfigurationError(f"{unused[0]}: it speaks of source files; give them with --bars, or leave it out.")
        return None
    since = midnight(start.date()) if start else None
    return Source(bars, zone, chosen, since, midnight(end.date() + timedelta(days=1)) if end else None)


def _chosen(tickers: str | None) -> frozenset[str] | None:
    """Return the tickers in a list with commas; None where none is given."""
    if tickers is None:
        return None
    found = frozenset(names_in(tickers))
    if not found:
        raise ConfigurationError("--tickers is empty; give names like AAPL,MSFT.")
    return found
