"""What verification found, for people: one table by ticker, then what is wrong, then the verdict."""

from collections.abc import Iterator

from cli.output import Output, duration
from cli.tables import Cell, Column, number
from cli.verify.results import TickerResult, Verification, WeekResult

SHOWN = 20


def show(output: Output, found: Verification, wide: bool) -> None:
    """Write the result for people.

    Args:
        output: Where to.
        found: What was found.
        wide: Show every ticker; else, of many good ones, only the sums.
    """
    if wide or len(found.tickers) <= SHOWN or not found.good:
        chosen = found.tickers if wide or len(found.tickers) <= SHOWN else [t for t in found.tickers if _faulty(t)]
        output.table(_columns(found), [_row(ticker, found) for ticker in chosen])
    if found.facts:
        output.table(
            [Column("bucket", style="bold"), *(number(t) for t in ("objects", "rows", "in topic", "lost", "twice"))],
            [[f.bucket, f.objects, f.rows, f.topic_versions, f.lost, f.duplicated] for f in found.facts],
        )
    for line in faults(found):
        output.line(line, style="red")
    for line in _notes(found):
        output.line(line, style="dim")
    output.line(verdict(found), style="bold green" if found.good else "bold red")


def verdict(found: Verification) -> str:
    """Return the result in one line."""
    against = " and ".join(found.compared_with) or "itself"
    state = "verified" if found.good else "NOT verified"
    return (
        f"{state} against {against}: {found.rows:,} rows in {found.objects:,} objects, lost {found.lost:,}, "
        f"duplicated {found.duplicated:,}, strays {len(found.all_strays):,} ({duration(found.seconds)})"
    )


def _columns(found: Verification) -> list[Column]:
    source = [number("in files"), number("different")] if found.files else []
    topics = [number("in topics", spare=2)] if "topics" in found.compared_with else []
    titles = ("lake rows", "bars", "lost", "twice", "unexplained", "missing minutes")
    return [
        Column("ticker", style="bold"),
        number("weeks", spare=1),
        *source,
        *topics,
        *(number(title) for title in titles),
    ]


def _row(ticker: TickerResult, found: Verification) -> list[Cell]:
    source = ["source_rows", "source_bars"] if found.files else []
    topics = ["topic_versions"] if "topics" in found.compared_with else []
    names = [*source, *topics, "rows", "bars", "lost", "duplicated", "unexplained"]
    return [ticker.ticker, len(ticker.weeks), *(ticker.total(name) for name in names), ticker.gaps.missing_minutes]


def _faulty(ticker: TickerResult) -> bool:
    return any(week.faulty for week in ticker.weeks)


def faults(found: Verification) -> list[str]:
    """Return what is wrong, a line a fault, the first ones of each kind."""
    lines = [
        f"{week.ticker} {week.week}: {text}"
        for ticker in found.tickers
        for week in ticker.weeks
        if week.faulty
        for text in _kinds(week)
    ]
    lines += [f"{f.bucket}: {f.lost} facts of the topic are not in the lake" for f in found.facts if f.lost]
    lines += [f"{f.bucket}: {f.duplicated} facts are twice or not once current" for f in found.facts if f.duplicated]
    lines += [f"{f.bucket}: {f.unexplained} versions are in no topic" for f in found.facts if f.unexplained]
    if found.unaccounted:
        lines.append(f"{found.unaccounted:,} refused rows or records of the topics are not in the dead letters")
    lines += [f"stray {stray.object}: {stray.reason}" for stray in found.all_strays]
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"and {more:,} more (--report FILE has all)"]


def _kinds(week: WeekResult) -> Iterator[str]:
    counts = {
        "bars of the files are not in the lake": week.lost_from_files,
        "versions of the topics are not in the lake": week.lost_from_topics,
        "rows are the same version twice": week.repeated,
        "bars have several current versions": week.many_current,
        "bars have no current version": week.no_current,
        "versions in the lake came from nowhere": week.unexplained,
    }
    return (f"{count:,} {text}" for text, count in counts.items() if count)


def _notes(found: Verification) -> list[str]:
    notes = [f"refused {file.path}: {file.refused}" for file in found.files if file.refused]
    if len(notes) > SHOWN:
        notes = [*notes[:SHOWN], f"and {len(notes) - SHOWN:,} more files refused"]
    rejected = sum(file.rejected for file in found.files)
    if rejected:
        notes.append(f"{rejected:,} rows of the files are no valid bars (see `tickerstream dlq list`)")
    if found.refused_in_topics:
        notes.append(f"{found.refused_in_topics:,} rows of the topics are no valid bars (see `tickerstream dlq list`)")
    if found.waiting:
        notes.append(f"{found.waiting:,} versions in the topics wait for the lake's consumer")
    return notes
