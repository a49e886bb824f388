"""`tickerstream live`: a source's live bars through the running stack, as they come."""

from typing import Annotated, Literal

import typer

from cli.app import HomeOption, JsonOption
from cli.live_view import LiveView
from cli.options import names_in
from cli.output import Output
from cli.pipeline.live_producer import LiveProducer
from cli.settings import Connection, connect
from producers.arguments import FASTEST, SLOWEST, Arguments
from producers.offer import given
from producers.sources import offer_of
from shared.errors import ConfigurationError

EXAMPLES = """
**Examples**

- `tickerstream live` lets the simulated exchange go on, a simulated minute a second.
- `tickerstream live --speed 600` makes it ten minutes a second.
- `tickerstream live --source alpaca --tickers AAPL,MSFT` needs ALPACA_API_KEY and ALPACA_SECRET_KEY.
- `tickerstream live --watch` only watches what another process publishes.
"""
SpeedOption = Annotated[
    float | None,
    typer.Option(
        help="Live: seconds of the exchange or of the replayed files a second [60; simulated: SIMULATED_SPEED].",
        min=SLOWEST,
        max=FASTEST,
        metavar="X",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command `live` to `app`."""
    app.command(epilog=EXAMPLES)(live)


def live(
    home: HomeOption = None,
    source: Annotated[
        Literal["simulated", "alpaca"] | None, typer.Option(help="Where the bars come from [simulated].")
    ] = None,
    speed: SpeedOption = None,
    tickers: Annotated[
        str | None, typer.Option(help="Only these, with commas; simulated: how many.", metavar="A,B")
    ] = None,
    sessions: Annotated[int | None, typer.Option(help="Simulated: sessions of history before.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Simulated: what the world follows from.", min=0)] = None,
    seconds: Annotated[float | None, typer.Option(help="End by itself so long after the first bar.", min=0.1)] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Publish nothing, only watch.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish live bars and watch them, until Ctrl-C. The stack stays up; a producer that crashes is started again."""
    output = Output.of(as_json)
    arguments = Arguments(
        producer="stock",
        source=source or "simulated",
        live=True,
        json=True,
        tickers=names_in(tickers),
        speed=speed,
        sessions=sessions,
        seed=seed,
    )
    if watch and (unused := [*(["source"] if source else []), *given(arguments)]):
        raise ConfigurationError(
            f"--{unused[0]}: --watch publishes nothing and has no use for it; leave one of them out."
        )
    offer_of(arguments)  # says now what is of no use
    bars = stream(connect(home), output, None if watch else arguments, seconds)
    output.line(f"{bars:,} bars came by; the stack is still up", style="green")
    output.document({"bars": bars})


def stream(system: Connection, output: Output, arguments: Arguments | None, seconds: float | None = None) -> int:
    """Publish what `arguments` ask for (None: nothing) and show the live topic; return how many bars came by.

    Raises:
        ConfigurationError: the producer ended, and a person has to act.
        TransientError: the producer crashed too often.
    """
    view = LiveView(system.kafka, output)
    if arguments is None:
        view.run(None, seconds)
        return view.bars
    producer = LiveProducer(system, arguments, lambda text: output.line(text, style="yellow"))
    try:
        view.run(producer, seconds)
    finally:
        producer.stop()
    return view.bars
