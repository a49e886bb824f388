"""`tickerstream verify`: `lake` here: is everything there, once, where it belongs?"""

import json
import time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from cli.app import FAILED, HomeOption, JsonOption, new_group
from cli.output import Output
from cli.progress import Board, board
from cli.settings import connect
from cli.verify.bars import Sides, compare_bars
from cli.verify.facts import BUCKETS, compare_facts
from cli.verify.features import verify_features
from cli.verify.lake_objects import LakeFiles
from cli.verify.lookahead import verify_lookahead
from cli.verify.report import show
from cli.verify.results import Verification
from cli.verify.source_files import Source, read_source
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, LakeSettings

EXAMPLES = """
**Examples**

- `tickerstream verify lake` compares the lake with the topics.
- `tickerstream verify lake --bars ~/bars --timezone America/New_York` compares it with the files, too.
- `tickerstream verify lake --report verify.json` keeps counts and hashes of every ticker and week.
"""


def register(app: typer.Typer) -> None:
    """Add the group `verify` to `app`."""
    group = new_group("Prove what is stored.")
    group.command("lake", epilog=EXAMPLES)(verify_lake)
    group.command("features")(verify_features)
    group.command("lookahead")(verify_lookahead)
    app.add_typer(group, name="verify")


def parse_zone(name: str | None) -> ZoneInfo | None:
    """Return the time zone called `name`.

    Raises:
        ConfigurationError: there is none.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(f"{name!r} is no time zone; give one like America/New_York or UTC.") from None


def parse_tickers(text: str | None) -> frozenset[str] | None:
    """Return the tickers in a list with commas; None where none is given."""
    if text is None:
        return None
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ConfigurationError("--tickers is empty; give names like AAPL,MSFT.")
    return found


def verify_lake(
    home: HomeOption = None,
    bars: Annotated[
        Path | None, typer.Option(help="Also compare with these source files: a folder or a file.", metavar="PATH")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times in the files that carry none.", metavar="ZONE")
    ] = None,
    tickers: Annotated[str | None, typer.Option(help="Only these, with commas.", metavar="A,B")] = None,
    topics: Annotated[bool, typer.Option("--topics/--no-topics", help="Compare with the topics.")] = True,
    report: Annotated[
        Path | None, typer.Option(help="Write everything found to this JSON file.", metavar="FILE")
    ] = None,
    wide: Annotated[bool, typer.Option("--all", help="Show every ticker, however many there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that every bar of the topics, and of the source files if given, is in the lake exactly once.

    The lake and the files are read by code of their own, which the services do not use. Checked are counts and content
    hashes by ticker and week, versions stored twice, bars with several current versions or none, rows that no
    topic has, unreadable objects and objects or rows in the wrong place. Missing minutes are counted, not judged.
    Exit code 1 if anything is wrong.
    """
    output = Output.of(as_json)
    zone, chosen = parse_zone(timezone), parse_tickers(tickers)
    system = connect(home, must_be_up=topics)
    with board(output) as shown:
        found = verify(
            system.lake, system.kafka if topics else None, shown, Source(bars, zone, chosen) if bars else None, chosen
        )
    if as_json:
        output.document(found.document())
    else:
        show(output, found, wide)
    if report:
        report.write_text(json.dumps(found.document(), indent=1) + "\n", encoding="utf-8")
        output.line(f"report: {report}")
    if not found.good:
        raise typer.Exit(FAILED)


def verify(
    lake: LakeSettings,
    kafka: KafkaSettings | None,
    shown: Board,
    source: Source | None = None,
    tickers: frozenset[str] | None = None,
) -> Verification:
    """Return what holds of the lake and what does not.

    Args:
        lake: The lake.
        kafka: The topics to compare with; None = none.
        shown: Where progress is shown.
        source: The files to compare with; None = none.
        tickers: Only these; None = everything, the other buckets included.
    """
    begun = time.monotonic()
    files = None
    if source:
        line = shown.line("read files", "files")
        files = read_source(source, line)
        line.finish()
    objects = LakeFiles(lake)
    line = shown.line("verify lake", "objects")
    found = compare_bars(Sides(objects, kafka, files, tickers), line)
    if tickers is None:
        found.facts = [compare_facts(objects, kafka, bucket) for bucket in BUCKETS]
    line.finish()
    found.files = files.files if files else []
    found.seconds = time.monotonic() - begun
    return found
