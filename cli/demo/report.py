"""What a demo did, as numbers for a file and as a proof for people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.demo.served import ServedResult
from cli.output import Output, duration
from cli.pipeline.backfill import Result
from cli.tables import Column, number
from cli.verify.results import Verification, WeekResult
from shared.contracts.bars import SIMULATED_PREFIX


@dataclass
class Seconds:
    """How long each stage took, one after the other: start, publish, land in the lake, verify, features, train.

    What goes on beside an earlier stage is not counted again: `features` begins when the lake is verified. But
    `first_prediction` is counted from the demo's begin, as `total` is.
    """

    start: float = 0.0
    publish: float = 0.0
    lake: float = 0.0
    verify: float = 0.0
    features: float = 0.0
    train: float = 0.0
    first_prediction: float | None = None
    total: float = 0.0


@dataclass
class DemoReport:
    """A demo's numbers.

    Attributes:
        simulated: Whether the data are made up.
        published: What the producers did.
        verification: What holds of the lake.
        seconds: How long it took.
        peak_rss_mib: The most memory that each process held, MiB.
        peak_together_mib: The most that the stack held at one moment, MiB.
        cpu_seconds: Processor time that each process of the stack used from publishing on.
        served: What became of it past the lake; None where that was not gone.
    """

    simulated: bool
    published: Result
    verification: Verification
    seconds: Seconds = field(default_factory=Seconds)
    peak_rss_mib: dict[str, float] = field(default_factory=dict)
    peak_together_mib: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    served: ServedResult | None = None

    @property
    def good(self) -> bool:
        """Return whether the lake is verified, every bar has a feature row, and no training broke."""
        lake = self.verification.good and not self.verification.waiting
        return lake and not self.rows_missing and not (self.served and self.served.broken)

    @property
    def problems(self) -> list[str]:
        """Return the whole files that could not be read."""
        return [problem for p in self.published.published.values() for problem in p.problems]

    @property
    def notes(self) -> list[str]:
        """Return what the producers noted of files: skipped, without rows."""
        return [note for p in self.published.published.values() for note in p.notes]

    @property
    def bars(self) -> dict[str, int]:
        """Return how many bars of each ticker the lake has."""
        found: dict[str, int] = {}
        for week in self._weeks():
            found[week.ticker] = found.get(week.ticker, 0) + week.bars
        return found

    @property
    def rows_missing(self) -> int:
        """Return how many bars have no feature row; 0 where none were waited for."""
        if self.served is None:
            return 0
        rows = self.served.feature_rows
        return sum(max(0, bars - rows.get(ticker, 0)) for ticker, bars in self.bars.items())

    @property
    def bars_per_second(self) -> float | None:
        """Return bars a second from the start of publishing until all were in the lake; None for only a part."""
        seconds = self.seconds.publish + self.seconds.lake
        if self.published.already_done or self.published.resumed or not seconds:
            return None
        return round(self._stock("published") / seconds, 1)

    def _stock(self, name: str) -> int:
        stock = self.published.published.get("stock")
        return stock.count(name) if stock else 0

    def _weeks(self) -> Iterable[WeekResult]:
        """Yield the weeks of this demo's data: those in its files; of the simulated exchange all simulated ones."""
        weeks = (week for ticker in self.verification.tickers for week in ticker.weeks)
        if self.simulated:
            return (week for week in weeks if week.ticker.startswith(SIMULATED_PREFIX))
        return (week for week in weeks if week.source_rows)

    def document(self) -> dict[str, Any]:
        """Return the report for a file."""
        weeks, seconds = list(self._weeks()), self.seconds
        stages = {
            "start": seconds.start,
            "publish": seconds.publish,
            "lake": seconds.lake,
            "publish_and_lake": seconds.publish + seconds.lake,
            "verify": seconds.verify,
            "features": seconds.features,
            "train": seconds.train,
            "first_prediction": seconds.first_prediction,
            "total": seconds.total,
        }
        return {
            "simulated": self.simulated,
            "tickers": len({week.ticker for week in weeks}),
            "bars_read": self._stock("read"),
            "bars_duplicate": self._stock("duplicates"),
            "bars_rejected": self._stock("rejected"),
            "bars_published": self._stock("published"),
            "bars_in_files": sum(file.rows for file in self.verification.files) if self.verification.files else None,
            "lake_rows": sum(week.rows for week in weeks),
            "lake_objects": sum(week.rows > 0 for week in weeks),
            **(self.served or ServedResult()).document(),
            "feature_rows_missing": self.rows_missing,
            "lost": self.verification.lost,
            "duplicated": self.verification.duplicated,
            "verified": self.good,
            "already_done": self.published.already_done,
            "facts": {fact.bucket: fact.rows for fact in self.verification.facts},
            "problems": self.problems,
            "notes": self.notes,
            "seconds": {name: None if value is None else round(value, 3) for name, value in stages.items()},
            "bars_per_second": self.bars_per_second,
            "peak_rss_mib": self.peak_rss_mib,
            "peak_together_mib": self.peak_together_mib,
            "cpu_seconds": self.cpu_seconds,
        }


def peaks(stack: Mapping[str, float], published: Result) -> dict[str, float]:
    """Return the most memory that each process held, MiB: of the stack, and of the producers."""
    return {**stack, **{f"producers-{name}": p.peak_rss_mib for name, p in published.published.items()}}


def show_proof(output: Output, report: DemoReport) -> None:
    """Write the proof: what was read and what became of it, then time and memory."""
    found = report.document()
    rows = _bars_rows(found) if "stock" in report.published.published else []
    rows += [(f"facts in {bucket}", count, "") for bucket, count in found["facts"].items() if count]
    rows += [
        ("lost", found["lost"], f"compared with {' and '.join(report.verification.compared_with)}"),
        ("duplicated", found["duplicated"], ""),
        *(_served_rows(found) if report.served else []),
    ]
    output.line()
    output.table([Column("proof", style="bold"), number("count"), Column("", wraps=True)], rows)
    output.line()
    output.table([Column("stage", style="bold"), number("time")], _stages(report))
    output.line()
    peak: Mapping[str, float] = found["peak_rss_mib"]
    cpu: Mapping[str, float] = found["cpu_seconds"]
    rows_of = [(name, mib, cpu.get(name)) for name, mib in peak.items()]
    together = ("the stack together", found["peak_together_mib"], round(sum(cpu.values()), 1))
    output.table([Column("process", style="bold"), number("peak MiB"), number("CPU s")], [*rows_of, together])


def _bars_rows(found: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    apart = found["bars_in_files"]
    return [
        ("bars read", found["bars_read"], "simulated" if found["simulated"] else "by the producer"),
        *([] if apart is None else [("rows in the files", apart, "counted by the verifier")]),
        ("repeated in the source", found["bars_duplicate"], "kept once"),
        ("refused", found["bars_rejected"], "see `tickerstream dlq list`" if found["bars_rejected"] else ""),
        ("bars published", found["bars_published"], "already done before" if found["already_done"] else ""),
        ("rows in the lake", found["lake_rows"], f"{found['lake_objects']:,} objects, {found['tickers']} tickers"),
    ]


def _served_rows(found: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    verdicts = ", ".join(f"{count} {name}" for name, count in found["verdicts"].items() if count)
    missing, failed = found["feature_rows_missing"], found["models_failed"]
    return [
        ("feature rows", found["feature_rows"], f"{missing:,} bars have none" if missing else "one of every bar"),
        ("models trained", found["models_trained"], f"{failed:,} could not be" if failed else ""),
        ("models served", found["models_served"], verdicts),
        ("predictions served", found["predictions"], "one of every ticker with a model"),
    ]


def _stages(report: DemoReport) -> list[tuple[str, str]]:
    seconds, rate, first = report.seconds, report.bars_per_second, report.seconds.first_prediction
    rows = [
        ("start the stack", duration(seconds.start)),
        ("publish", duration(seconds.publish)),
        ("rest of the way to the lake", duration(seconds.lake)),
        ("verify", duration(seconds.verify)),
        *([("rest of the features", duration(seconds.features))] if report.served else []),
        *([("rest of training", duration(seconds.train))] if report.served else []),
        *([("first prediction served after", duration(first))] if first else []),
        ("in all", duration(seconds.total)),
    ]
    return rows + ([("source to lake", f"{rate:,.0f} bars/s")] if rate else [])
