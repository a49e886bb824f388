"""What verification found, as values: by week, by ticker, in all."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from cli.verify.gaps import Gaps
from cli.verify.lake_bars import Stray
from cli.verify.source_files import FileAccount

SHOWN_STRAYS: Final = 1000


@dataclass(frozen=True, slots=True)
class WeekResult:
    """One (ticker, week).

    Attributes:
        ticker: Whose bars.
        week: `2026-W07`.
        rows: Rows in the lake, every version.
        bars: Minutes that have a bar.
        lake_hash: Order-free hash of the lake's different contents.
        source_rows: Good rows in the files, repetitions included; None where there are no files to compare.
        source_bars: Different ones of them.
        source_hash: Order-free hash of those.
        lost_from_files: Different rows of the files that the lake has not.
        topic_versions: Different versions in acknowledged records; None where the topics were not read.
        lost_from_topics: Of those, versions that the lake has not.
        unexplained: Versions in the lake that no topic (else: no file) has.
        repeated: Rows that are the same version as another.
        many_current: Bars with more than one current version.
        no_current: Bars with no current version.
    """

    ticker: str
    week: str
    rows: int = 0
    bars: int = 0
    lake_hash: str | None = None
    source_rows: int | None = None
    source_bars: int | None = None
    source_hash: str | None = None
    lost_from_files: int = 0
    topic_versions: int | None = None
    lost_from_topics: int = 0
    unexplained: int = 0
    repeated: int = 0
    many_current: int = 0
    no_current: int = 0

    @property
    def lost(self) -> int:
        """Return how many bars are lost: the greater count, for what a file lost no topic may have either."""
        return max(self.lost_from_files, self.lost_from_topics)

    @property
    def duplicated(self) -> int:
        """Return how many bars are there twice."""
        return self.repeated + self.many_current

    @property
    def faulty(self) -> bool:
        """Return whether anything is wrong."""
        return bool(self.lost or self.duplicated or self.unexplained or self.no_current)


@dataclass(frozen=True, slots=True)
class TickerResult:
    """One ticker: its weeks and its gaps."""

    ticker: str
    weeks: tuple[WeekResult, ...]
    gaps: Gaps

    def total(self, name: str) -> int:
        """Return the sum of a count over the weeks; what is None counts as 0."""
        return sum(getattr(week, name) or 0 for week in self.weeks)


@dataclass(frozen=True, slots=True)
class FactsResult:
    """One other bucket of the lake: macro vintages, filings, actions.

    Attributes:
        bucket: Its name.
        objects: Objects in it.
        rows: Rows in those.
        topic_versions: Different facts in acknowledged records; None where the topic was not read.
        lost: Of those, facts that the lake has not.
        duplicated: Versions that are there twice, and facts with several current versions or none.
        unexplained: Versions in the lake that the topic has not.
        strays: Objects or rows where they do not belong.
    """

    bucket: str
    objects: int = 0
    rows: int = 0
    topic_versions: int | None = None
    lost: int = 0
    duplicated: int = 0
    unexplained: int = 0
    strays: tuple[Stray, ...] = ()


@dataclass
class Verification:
    """All that was found.

    Attributes:
        tickers: By ticker, sorted.
        objects: Objects with bars.
        strays: What does not belong where it is.
        files: The account of each source file; empty where none were compared.
        facts: The other buckets.
        waiting: Versions in the topics that the lake's consumer has not acknowledged yet, and the lake has not.
        refused_in_topics: Rows in the topics that are no valid bars: they belong to the dead letters.
        unaccounted: Those of them that no dead letter tells of.
        compared_with: `files`, `topics`.
        seconds: How long it took.
    """

    tickers: list[TickerResult] = field(default_factory=list)
    objects: int = 0
    strays: list[Stray] = field(default_factory=list)
    files: list[FileAccount] = field(default_factory=list)
    facts: list[FactsResult] = field(default_factory=list)
    waiting: int = 0
    refused_in_topics: int = 0
    unaccounted: int = 0
    compared_with: tuple[str, ...] = ()
    seconds: float = 0.0

    def _sum(self, name: str) -> int:
        return sum(ticker.total(name) for ticker in self.tickers)

    @property
    def rows(self) -> int:
        """Return the lake's rows of bars."""
        return self._sum("rows")

    @property
    def lost(self) -> int:
        """Return all that is lost."""
        return self._sum("lost") + sum(fact.lost for fact in self.facts)

    @property
    def duplicated(self) -> int:
        """Return all that is there twice."""
        return self._sum("duplicated") + sum(fact.duplicated for fact in self.facts)

    @property
    def unexplained(self) -> int:
        """Return rows that came from nowhere."""
        return self._sum("unexplained") + sum(fact.unexplained for fact in self.facts)

    @property
    def all_strays(self) -> list[Stray]:
        """Return the strays of all buckets."""
        return [*self.strays, *(stray for fact in self.facts for stray in fact.strays)]

    @property
    def good(self) -> bool:
        """Return whether nothing is wrong."""
        counts = (self.lost, self.duplicated, self.unexplained, self.unaccounted, self._sum("no_current"))
        return not (any(counts) or self.all_strays)

    def summary(self) -> dict[str, Any]:
        """Return the totals."""
        return {
            "verified": self.good,
            "compared_with": list(self.compared_with),
            "tickers": len(self.tickers),
            "lake_rows": self.rows,
            "lake_bars": self._sum("bars"),
            "lake_objects": self.objects,
            **self._source_summary(),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "unexplained": self.unexplained,
            "without_current": self._sum("no_current"),
            "strays": len(self.all_strays),
            "waiting": self.waiting,
            "refused_in_topics": self.refused_in_topics,
            "unaccounted": self.unaccounted,
            "missing_minutes": sum(ticker.gaps.missing_minutes for ticker in self.tickers),
            "missing_sessions": sum(ticker.gaps.missing_sessions for ticker in self.tickers),
            "seconds": round(self.seconds, 3),
        }

    def _source_summary(self) -> dict[str, int]:
        if not self.files:
            return {}
        return {
            "files": len(self.files),
            "files_refused": sum(bool(file.refused) for file in self.files),
            "bars_in_files": sum(file.rows for file in self.files),
            "bars_rejected": sum(file.rejected for file in self.files),
            "bars_duplicate": self._sum("source_rows") - self._sum("source_bars"),
        }

    def document(self) -> dict[str, Any]:
        """Return everything, for a report: totals, weeks by ticker, the other buckets, files that lack something."""
        return {
            **self.summary(),
            "stray_objects": [asdict(stray) for stray in self.all_strays[:SHOWN_STRAYS]],
            "facts": [asdict(fact) for fact in self.facts],
            "refused_files": [asdict(file) for file in self.files if file.refused or file.rejected],
            "by_ticker": {t.ticker: _ticker_document(t) for t in self.tickers},
        }


def _ticker_document(ticker: TickerResult) -> dict[str, Any]:
    weeks: Iterable[WeekResult] = ticker.weeks
    return {"gaps": asdict(ticker.gaps), "weeks": [_week_document(week) for week in weeks]}


def _week_document(week: WeekResult) -> dict[str, Any]:
    found = asdict(week)
    del found["ticker"]
    return {**found, "verified": not week.faulty}
