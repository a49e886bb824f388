"""Options that several commands share, and what their texts mean."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from shared.errors import ConfigurationError

BarsOption = Annotated[
    Path | None,
    typer.Option(help="Your 1-minute bars: a folder or file of CSV, CSV.gz, Parquet or Lean zips.", metavar="PATH"),
]
MacroOption = Annotated[
    Path | None, typer.Option(help="Your macro series: a folder or file of CSV or Parquet.", metavar="PATH")
]
FundamentalsOption = Annotated[
    Path | None, typer.Option(help="Your company filings: a folder or file of CSV or Parquet.", metavar="PATH")
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(help="Zone of times in files that carry none, like America/New_York.", metavar="ZONE"),
]
AdjustedOption = Annotated[bool, typer.Option("--adjusted", help="The files' prices are already adjusted for splits.")]
TickersOption = Annotated[
    str | None, typer.Option(help="Only these, with commas; simulated: how many, such as 10.", metavar="A,B")
]
SessionsOption = Annotated[
    int | None, typer.Option(help="Simulated: how many sessions of history, such as 60.", metavar="N", min=1)
]
SeedOption = Annotated[int | None, typer.Option(help="Simulated: what its world follows from.", metavar="N", min=0)]


def _checked_report(path: Path | None) -> Path | None:
    """Let a path pass that a report can be written to: said now, before hours of work, not at their end."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        lack = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ConfigurationError(f"--report {path}: {lack}. Name a file in a folder that is there.")
    return path


ReportOption = Annotated[
    Path | None, typer.Option(help="Write the numbers to this file.", metavar="FILE", callback=_checked_report)
]
StartOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of bars, New York.", metavar="DATE")
]
EndOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of bars, New York, inclusive.", metavar="DATE")
]


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas, each once, in order."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def day_of(instant: datetime | None) -> date | None:
    """Return the day that an option gives."""
    return None if instant is None else instant.date()


def zone_of(name: str | None) -> ZoneInfo | None:
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
