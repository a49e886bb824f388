"""ISO weeks of UTC instants: the unit that bars travel and lie in."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl


@dataclass(frozen=True, slots=True, order=True)
class IsoWeek:
    """An ISO 8601 week, Monday 00:00 UTC to the next Monday; `year` is the ISO year."""

    year: int
    week: int

    @classmethod
    def of(cls, instant: datetime) -> "IsoWeek":
        """Return the week that holds `instant` (aware)."""
        year, week, _ = instant.astimezone(UTC).isocalendar()
        return cls(year, week)

    @property
    def thursday(self) -> date:
        """Return the week's Thursday; its calendar year is the ISO year."""
        return date.fromisocalendar(self.year, self.week, 4)

    @property
    def start(self) -> datetime:
        """Return Monday 00:00 UTC."""
        return datetime.combine(date.fromisocalendar(self.year, self.week, 1), datetime.min.time(), UTC)

    @property
    def end(self) -> datetime:
        """Return the next Monday 00:00 UTC (exclusive)."""
        return self.start + timedelta(days=7)

    def before(self, weeks: int) -> list["IsoWeek"]:
        """Return so many weeks before this one, and this one, in order."""
        return [IsoWeek.of(self.start - timedelta(weeks=back)) for back in range(weeks, -1, -1)]

    def __str__(self) -> str:
        return f"{self.year}-W{self.week:02d}"


def week_start(column: str = "timestamp") -> pl.Expr:
    """Return an expression: the Monday 00:00 UTC of a UTC instant column."""
    return pl.col(column).dt.truncate("1w")
