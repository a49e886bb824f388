"""`tickerstream verify lookahead`: features made again without, and with garbled, facts that were not yet known."""

import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.output import Output
from cli.progress import board
from cli.settings import connect
from cli.tables import Column, number
from cli.verify.lake_objects import LakeFiles
from shared.contracts.weeks import IsoWeek
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from cli.verify.lake_facts import LakeFacts
    from shared.features.lookahead import LookaheadReport

CHOSEN_TICKERS = 5


def verify_lookahead(
    tickers: Annotated[
        list[str] | None, typer.Argument(help="Tickers; without any, some at random.", metavar="[TICKER]...")
    ] = None,
    weeks: Annotated[int, typer.Option(help="How many weeks of each, at random.", min=1)] = 2,
    instants: Annotated[int, typer.Option(help="How many instants of each week, at random.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="What the choice follows from.", min=0)] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no feature looks ahead, on the lake's own bars and facts.

    At random instants everything that was not yet known is taken away, and, separately, made nonsense: by known_at,
    restatements of known facts included. Rows that were made before must stay the same, bit by bit. Exit code 1 if not.
    """
    from cli.verify.lake_facts import LakeFacts  # with TA-Lib, which takes a second
    from shared.features.lookahead import LookaheadReport

    output = Output.of(as_json)
    facts = LakeFacts(LakeFiles(connect(home, must_be_up=False).lake))
    chosen = choose(facts, tickers or [], weeks, seed)
    total = LookaheadReport()
    with board(output) as shown:
        line = shown.line("look ahead", "weeks")
        for done, (ticker, week) in enumerate(chosen):
            line.update(done, len(chosen), f"{ticker} {week}")
            _add(total, _check(facts, ticker, week, instants, seed))
        line.finish(len(chosen))
    if as_json:
        output.document(_document(total))
    else:
        _show(output, total)
    if not total.clean:
        raise typer.Exit(FAILED)


def choose(facts: "LakeFacts", tickers: list[str], weeks: int, seed: int) -> list[tuple[str, IsoWeek]]:
    """Return which tickers and weeks to check, at random but the same for the same seed.

    Raises:
        ConfigurationError: there are no bars, or none of a ticker.
    """
    there, dice = facts.tickers(), random.Random(seed)  # noqa: S311  a sample, no secret
    if unknown := [ticker for ticker in tickers if ticker not in there]:
        raise ConfigurationError(f"The lake has no bars of {unknown[0]}; see `tickerstream lake ls stock-data`.")
    if not there:
        raise ConfigurationError("The lake has no bars; `tickerstream demo` or `tickerstream backfill` brings some.")
    names = tickers or sorted(dice.sample(there, min(CHOSEN_TICKERS, len(there))))
    found: list[tuple[str, IsoWeek]] = []
    for ticker in names:
        of_ticker = facts.weeks(ticker)
        found += [(ticker, week) for week in sorted(dice.sample(of_ticker, min(weeks, len(of_ticker))))]
    return found


def _check(facts: "LakeFacts", ticker: str, week: IsoWeek, instants: int, seed: int) -> "LookaheadReport":
    from shared.features.catalogue import START_UP_WEEKS
    from shared.features.lookahead import check_lookahead

    bars = facts.bars(ticker, week.before(START_UP_WEEKS))
    return check_lookahead(bars, facts.context(ticker), [week], instants, seed)


def _add(total: "LookaheadReport", one: "LookaheadReport") -> None:
    total.instants += one.instants
    total.rows += one.rows
    total.values += one.values
    for feature, count in one.different.items():
        total.different[feature] = total.different.get(feature, 0) + count
    total.examples += one.examples


def _document(found: "LookaheadReport") -> dict[str, Any]:
    return {**asdict(found), "clean": found.clean}


def _show(output: Output, found: "LookaheadReport") -> None:
    if found.different:
        output.table([Column("feature", style="bold"), number("values that differ")], sorted(found.different.items()))
        for one in found.examples[:CHOSEN_TICKERS]:
            output.line(
                f"{one.feature} of {one.timestamp:%Y-%m-%d %H:%M}: {one.with_all} with all, {one.without} with what "
                f"came after {one.instant:%Y-%m-%d %H:%M:%S} {one.way}",
                style="red",
            )
    what = f"{found.values:,} values of {found.rows:,} rows at {found.instants:,} instants"
    if found.clean:
        output.line(f"no feature looks ahead: {what} are the same without the future", style="bold green")
    else:
        output.line(f"look-ahead: {sum(found.different.values()):,} of {what} differ", style="bold red")
