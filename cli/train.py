"""`tickerstream train`: ask for models, and watch them being made."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from cli.app import FAILED, HomeOption, JsonOption
from cli.options import names_in
from cli.output import Output
from cli.pipeline.training import TrainingWatch, by_reason, failures
from cli.progress import board
from cli.settings import connect
from shared.clock import SystemClock
from shared.contracts.topics import START_MODEL
from shared.contracts.training import MODEL_KINDS, StartModel
from shared.errors import ConfigurationError
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.settings import KafkaSettings
from shared.storage.job_progress import JobsView
from shared.storage.postgres import open_engine
from shared.storage.tickers import TickerRegistry
from shared.storage.trainable import TrainableRows

EXAMPLES = """
**Examples**

- `tickerstream train --wait` trains every active ticker and shows how far each is.
- `tickerstream train SIM.ALFA SIM.BRAVO --kinds regression_gb` makes one model each.
"""
SEND_SECONDS: Final = 30.0
_FIRST_ROWS: Final = (
    "Publish bars (`tickerstream backfill`), or make rows of those in the lake: `tickerstream features rebuild`; "
    "`tickerstream features list` shows which tickers have rows."
)


def register(app: typer.Typer) -> None:
    """Add the command `train` to `app`."""
    app.command(epilog=EXAMPLES)(train)


def train(
    tickers: Annotated[
        list[str] | None, typer.Argument(help="Tickers; without any, all that are active.", metavar="[TICKER]...")
    ] = None,
    kinds: Annotated[
        str | None, typer.Option(help=f"Only these, with commas: {', '.join(MODEL_KINDS)}.", metavar="A,B")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")] = "asked for by hand",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress, and end when every model is made.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """File training, unless there is nothing to train on. With --wait exit code 1 if a model could not be made."""
    output, system = Output.of(as_json), connect(home)
    wish = start_model(tickers or (), names_in(kinds), reason, SystemClock().now())
    with open_engine(system.postgres) as engine:
        check_trainable(TrainableRows(engine), TickerRegistry(engine), wish.tickers or ())
    send(system.kafka, wish)
    run_id = str(wish.run_id)
    output.line(f"filed as {run_id}", style="green")
    if not wait:
        output.line("`tickerstream status` shows how far it is", style="dim")
        output.document({"run_id": run_id})
        return
    with open_engine(system.postgres) as engine, board(output) as shown:
        found = TrainingWatch(JobsView(engine), run_id, shown).wait()
    failed = failures(found)
    for line in by_reason(failed):
        output.line(f"no model of {line}", style="red")
    done = sum(job.state == "done" for ticker in found for job in ticker.jobs)
    output.line(f"{done:,} models made, {len(failed):,} failed; `tickerstream models list` shows them")
    output.document({"run_id": run_id, "models": done, "failed": [one.line for one in failed]})
    if failed:
        raise typer.Exit(FAILED)


def start_model(tickers: list[str] | tuple[str, ...], kinds: tuple[str, ...], reason: str, now: datetime) -> StartModel:
    """Return the message that asks for these models, under a run id of its own.

    Raises:
        ConfigurationError: a ticker or a kind cannot be one.
    """
    wish = {
        "run_id": f"hand-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        "tickers": tuple(dict.fromkeys(tickers)) or None,
        "kinds": kinds or None,
        "reason": reason,
        "requested_at": now,
    }
    try:
        return StartModel.model_validate(wish)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " ".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"{where}: {first['msg']}, got {first['input']!r}. Kinds are {', '.join(MODEL_KINDS)}."
        ) from None


def check_trainable(rows: TrainableRows, registry: TickerRegistry, tickers: Sequence[str]) -> None:
    """Let a wish pass that there is something to train for; without `tickers` all active ones are meant.

    Raises:
        ConfigurationError: nothing can be made of it; it names what is lacking.
    """
    feature_set = rows.feature_set(None)
    if feature_set is None:
        raise ConfigurationError(
            "No feature set is in use, so nothing can be trained. Run `python -m infra.provision`."
        )
    if lacking := rows.without_rows(tickers, feature_set):
        more = f" (nor have {len(lacking) - 1:,} others)" if len(lacking) > 1 else ""
        raise ConfigurationError(
            f"{lacking[0]} has no feature rows in set {feature_set}{more}, so no model can be made. {_FIRST_ROWS}"
        )
    if not tickers and not rows.active_tickers(feature_set):
        active = len(registry.active())
        if not active:
            raise ConfigurationError(
                "No ticker is active, so there is nothing to train. Name one that `tickerstream features list` shows, "
                "or make it active: `tickerstream tickers add TICKER`."
            )
        raise ConfigurationError(
            f"None of the {active:,} active tickers has feature rows in set {feature_set}, so there is nothing to "
            f"train. {_FIRST_ROWS}"
        )


def send(kafka: KafkaSettings, wish: StartModel) -> None:
    """Send the message; it is confirmed when this returns.

    Raises:
        TransientError: Kafka did not confirm it.
    """
    key = wish.run_id.encode() if wish.run_id else None
    with KafkaWriter(kafka, "tickerstream-train") as writer:
        writer.send(Outgoing(START_MODEL.name, key, wish.encode(), {"schema": START_MODEL.schema.encode()}))
        writer.flush(SEND_SECONDS)
