"""`tickerstream features`: the feature sets, and what is stored of each ticker."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.app import HomeOption, JsonOption, new_group
from cli.output import Output
from cli.pipeline.rebuild import Rebuild
from cli.progress import board
from cli.settings import connect
from cli.tables import Cell, Column, number
from shared.clock import SystemClock
from shared.storage.feature_reader import Coverage, FeatureReader
from shared.storage.feature_tables import activate, feature_set, feature_sets
from shared.storage.postgres import open_engine, transaction


def register(app: typer.Typer) -> None:
    """Add the group `features` to `app`."""
    group = new_group("Feature rows: what is stored, making it anew.")
    group.command("list")(list_features)
    group.command("catalogue")(catalogue)
    group.command("rebuild")(rebuild)
    app.add_typer(group, name="features")


def list_features(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the feature sets, and the rows of each ticker in the one that is in use."""
    from shared.features.catalogue import FEATURE_SET  # with TA-Lib, which takes a second

    output = Output.of(as_json)
    with open_engine(connect(home).postgres) as engine:
        with transaction(engine) as connection:
            sets = feature_sets(connection)
        covered = FeatureReader(engine).coverage() if sets else []
    if as_json:
        output.document({"feature_sets": [asdict(one) for one in sets], "tickers": [asdict(one) for one in covered]})
        return
    for one in sets:
        mine = ", the catalogue's" if one.name == FEATURE_SET else ""
        output.line(f"{one.name}: {one.state}, {len(one.names)} features{mine}", style="bold")
    _show(output, covered)
    if FEATURE_SET not in {one.name for one in sets if one.state == "active"}:
        output.line("the catalogue has another feature set: `tickerstream features rebuild` makes it", style="yellow")


def _show(output: Output, covered: list[Coverage]) -> None:
    if not covered:
        output.line("no rows yet; `tickerstream demo` or `tickerstream backfill` makes some", style="yellow")
        return
    columns = [Column("ticker", style="bold"), number("rows"), number("revisions"), Column("first"), Column("last")]
    rows: list[list[Cell]] = [
        [one.ticker, one.rows, one.revisions, f"{one.first:%Y-%m-%d %H:%M}", f"{one.last:%Y-%m-%d %H:%M}"]
        for one in covered
    ]
    output.table(columns, rows)


def rebuild(
    tickers: Annotated[
        list[str] | None, typer.Argument(help="Tickers; without any, all in the lake.", metavar="[TICKER]...")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the rows of every bar in the lake, in the catalogue's feature set, then use that set.

    The aggregator does it, beside its other work; rows that are there and equal are not made twice. Needed when the
    catalogue has changed, and for bars that came while their ticker was not active. Models of another set answer no
    rows of this one: train after it.
    """
    from shared.features.catalogue import FEATURE_SET  # with TA-Lib, which takes a second

    output, system = Output.of(as_json), connect(home)
    with open_engine(system.postgres) as engine, board(output) as shown:
        line = shown.line("rebuild", "weeks")
        filed = Rebuild(engine, system, FEATURE_SET, SystemClock().now()).run(tuple(tickers or ()), line)
        with transaction(engine) as connection:
            before = feature_set(connection).name
            if not tickers:
                activate(connection, FEATURE_SET)
    output.line(f"{filed:,} ticker-weeks are made anew in feature set {FEATURE_SET}", style="green")
    if not tickers and before != FEATURE_SET:
        output.line(f"{FEATURE_SET} is in use now instead of {before}; `tickerstream train` makes models for it")
    output.document({"feature_set": FEATURE_SET, "weeks": filed, "before": before})


def catalogue(as_json: JsonOption = False) -> None:
    """List the features: group, timeframe, look-back, whether models are fed with it, what it means."""
    from shared.features.catalogue import CATALOGUE  # with TA-Lib, which takes a second

    output = Output.of(as_json)
    if as_json:
        fields = ("name", "group", "timeframe", "lookback", "scale_free", "meaning", "formula", "source", "version")
        output.document([{field: getattr(feature, field) for field in fields} for feature in CATALOGUE])
        return
    columns = [Column("feature", style="bold"), Column("group"), Column("of"), number("look-back", spare=1)]
    output.table(
        [*columns, Column("model", spare=2), Column("meaning", wraps=True)],
        [[f.name, f.group, f.timeframe, f.lookback, f.scale_free, f.meaning] for f in CATALOGUE],
    )
