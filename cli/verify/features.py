"""`tickerstream verify features`: what is stored against what the lake gives, bit by bit."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.output import Output
from cli.progress import board
from cli.settings import connect
from cli.tables import Column, number
from cli.verify.lake_objects import LakeFiles
from cli.verify.settling import Settling
from shared.clock import SystemClock
from shared.contracts.weeks import IsoWeek
from shared.errors import ConfigurationError
from shared.storage.database import Engine
from shared.storage.feature_reader import Coverage, FeatureReader
from shared.storage.offsets import OffsetStore
from shared.storage.postgres import open_engine, transaction
from shared.storage.remakes import RemakeQueue

if TYPE_CHECKING:
    from cli.verify.feature_rows import RowsReport
    from cli.verify.lake_facts import LakeFacts

SHOWN = 10


def verify_features(
    tickers: Annotated[
        list[str] | None, typer.Argument(help="Tickers; without any, all that have rows.", metavar="[TICKER]...")
    ] = None,
    weeks: Annotated[int | None, typer.Option(help="Only the newest weeks of each, so many.", min=1)] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make every stored feature row anew from the lake, knowing what was known at its instant, and compare the bits.

    Live rows, too: history and live share one function, so that they can be made again. A row whose facts arrived
    later, under the same instant, was overtaken by a further revision, which is compared. Exit code 1 if a bit differs,
    a bar has no row, or a row has no bar. Live services may go on: it waits for what was sent before, and leaves out
    what comes after.
    """
    from cli.verify.feature_rows import RowsReport  # with TA-Lib, which takes a second
    from cli.verify.lake_facts import LakeFacts
    from shared.features.catalogue import FEATURE_SET

    output, system = Output.of(as_json), connect(home)
    total = RowsReport()
    with open_engine(system.postgres) as engine, board(output) as shown:
        settling = Settling(system.kafka, OffsetStore(engine), lambda: _to_be_remade(engine), SystemClock())
        until = settling.wait(shown.line("wait for what is on its way", "records"))
        facts, reader = LakeFacts(LakeFiles(system.lake), until), FeatureReader(engine)
        chosen = _chosen(reader.coverage(FEATURE_SET), tickers or [])
        line = shown.line("verify features", "tickers")
        for done, one in enumerate(chosen):
            line.update(done, len(chosen), one.ticker)
            for report in _weeks(reader, facts, one, weeks, until):
                total.add(report)
        line.finish(len(chosen))
    if as_json:
        output.document({**asdict(total), "tickers": len(chosen), "clean": total.clean})
    else:
        _show(output, total, len(chosen))
    if not total.clean:
        raise typer.Exit(FAILED)


def _to_be_remade(engine: Engine) -> int:
    with transaction(engine) as connection:
        return RemakeQueue().left(connection, "")


def _chosen(covered: list[Coverage], tickers: list[str]) -> list[Coverage]:
    there = {one.ticker: one for one in covered}
    if unknown := [ticker for ticker in tickers if ticker not in there]:
        raise ConfigurationError(f"There are no feature rows of {unknown[0]}; see `tickerstream features list`.")
    if not there:
        raise ConfigurationError("There are no feature rows of the catalogue's set; see `tickerstream features list`.")
    return [there[ticker] for ticker in tickers] if tickers else covered


def _weeks(
    reader: FeatureReader, facts: "LakeFacts", one: Coverage, newest: int | None, until: datetime
) -> Iterator["RowsReport"]:
    """Yield the report of each week of a ticker that has bars or rows."""
    from cli.verify.feature_rows import compare_week
    from shared.features.catalogue import CATALOGUE, FEATURE_SET, START_UP_WEEKS

    context = facts.context(one.ticker)
    due = sorted({*facts.weeks(one.ticker), *_spanned(one.first, one.last)})
    for week in due[-newest:] if newest else due:
        stored = reader.revisions(one.ticker, FEATURE_SET, week.start, week.end)
        bars = facts.bars(one.ticker, week.before(START_UP_WEEKS))
        if stored.height or (bars["timestamp"] >= week.start).any():
            yield compare_week(stored, bars, context, week, CATALOGUE, until)


def _spanned(first: datetime, last: datetime) -> list[IsoWeek]:
    span = (last - first).days // 7 + 2
    return [week for week in IsoWeek.of(last).before(span) if week.end > first]


def _show(output: Output, found: "RowsReport", tickers: int) -> None:
    if found.different:
        columns = [Column("column", style="bold"), number("values that differ")]
        output.table(columns, sorted(found.different.items()))
    for one in found.examples[:SHOWN]:
        when = f"{one.ticker} {one.timestamp:%Y-%m-%d %H:%M} as of {one.as_of:%Y-%m-%d %H:%M:%S}"
        output.line(f"{when}: {one.column} is {one.stored}, the lake gives {one.fresh}", style="red")
    what = f"{found.values:,} values of {found.revisions:,} rows of {tickers:,} tickers"
    if found.overtaken:
        output.line(f"{found.overtaken:,} revisions were overtaken by facts that arrived after them", style="dim")
    if found.clean:
        output.line(f"verified: {what} are what the lake gives, bit by bit", style="bold green")
        return
    output.line(
        f"not verified: of {what} {sum(found.different.values()):,} differ, {found.missing:,} bars have no row, "
        f"{found.unexplained:,} rows have no bar",
        style="bold red",
    )
