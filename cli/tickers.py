"""`tickerstream tickers`: the active set that backfills and live streams of a vendor read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from cli.app import HomeOption, JsonOption, new_group
from cli.output import Output
from cli.settings import connect
from cli.tables import Column
from shared.settings import PostgresSettings
from shared.storage.postgres import make_engine
from shared.storage.tickers import TickerRegistry

TickersArgument = Annotated[list[str], typer.Argument(help="Tickers, such as AAPL MSFT.", metavar="TICKER...")]


def register(app: typer.Typer) -> None:
    """Add the group `tickers` to `app`."""
    group = new_group("The active set of tickers.")
    group.command("list")(list_tickers)
    group.command("add")(add)
    group.command("remove")(remove)
    app.add_typer(group, name="tickers")


def list_tickers(
    home: HomeOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the tickers that are active."""
    output = Output.of(as_json)
    with registry_of(connect(home).postgres) as registry:
        found = [ticker for ticker in registry.all() if ticker.active or everything]
    if as_json:
        output.document([asdict(ticker) for ticker in found])
        return
    output.table(
        [Column("ticker", style="bold"), Column("name", wraps=True), Column("active"), Column("since")],
        [[t.ticker, t.name or None, t.active, f"{t.added_at:%Y-%m-%d}"] for t in found],
    )


def add(
    tickers: TickersArgument,
    home: HomeOption = None,
    name: Annotated[str, typer.Option(help="The company's name, for one ticker.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make tickers active. Doing it again changes nothing."""
    output = Output.of(as_json)
    with registry_of(connect(home).postgres) as registry:
        added = registry.add(tickers, name)
    output.line(f"added {', '.join(added)}" if added else "all of them were active before")
    output.document({"added": added})


def remove(tickers: TickersArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take tickers out of the active set. What is stored of them stays."""
    output = Output.of(as_json)
    with registry_of(connect(home).postgres) as registry:
        removed = registry.remove(tickers)
    output.line(f"removed {', '.join(removed)}" if removed else "none of them was active")
    output.document({"removed": removed})


@contextmanager
def registry_of(postgres: PostgresSettings) -> Iterator[TickerRegistry]:
    """Open the registry of a system."""
    engine = make_engine(postgres)
    try:
        yield TickerRegistry(engine)
    finally:
        engine.dispose()
