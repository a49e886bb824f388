"""The last session of a set of files, held back from history to be replayed as if live."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cli.progress import Line
from cli.verify.source_files import Source, midnight, read_source
from shared.contracts.calendar import NEW_YORK


def last_session(source: Source, line: Line) -> date | None:
    """Return the New York date of the last bars; None where all bars are of one date, or there are none.

    Args:
        source: The files.
        line: Where progress is shown.
    """
    found = read_source(source, line)
    line.finish()
    if found.first is None or found.last is None:
        return None
    first, last = _day(found.first), _day(found.last)
    return last if first < last else None


def before(source: Source, day: date) -> Source:
    """Return the files as far as they come before midnight, New York, of `day`."""
    return replace(source, until=midnight(day))


def day_before(day: date) -> date:
    """Return the day before."""
    return day - timedelta(days=1)


def _day(minute: int) -> date:
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(NEW_YORK).date()
