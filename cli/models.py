"""`tickerstream models`: which models there are, which serve, and how good each is beside its baseline."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.app import HomeOption, JsonOption, new_group
from cli.output import Output
from cli.settings import connect
from cli.tables import Cell, Column, number
from shared.errors import ConfigurationError
from shared.modelling.evaluation import Evaluation, Primary
from shared.storage.models import Model, ModelRegistry
from shared.storage.postgres import open_engine

METRICS = ("mse", "rmse", "mae", "r2", "log_loss", "brier", "auc", "accuracy", "precision", "recall", "f1")
"""What is shown first, in order."""


def register(app: typer.Typer) -> None:
    """Add the group `models` to `app`."""
    group = new_group("Models: verdicts, metrics, what serves.")
    group.command("list")(list_models)
    group.command("show")(show)
    app.add_typer(group, name="models")


def list_models(
    home: HomeOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also models that no longer serve.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models that serve, with their verdict."""
    output = Output.of(as_json)
    with open_engine(connect(home).postgres) as engine:
        registry = ModelRegistry(engine)
        serving = {deployment.model.model_id for deployment in registry.served()}
        found = [model for model in registry.models() if everything or model.model_id in serving]
    if as_json:
        output.document([document(model, model.model_id in serving) for model in found])
        return
    if not found:
        output.line("no model yet; `tickerstream train TICKER` makes one", style="yellow")
        return
    columns = [Column("ticker", style="bold"), Column("kind"), number("version"), Column("verdict"), number("gain")]
    columns += [
        number("sessions", spare=2),
        number("rows", spare=3),
        Column("trained to", spare=4),
        Column("serves", spare=5),
        Column("model"),
    ]
    output.table(columns, [_row(model, model.model_id in serving) for model in found])


def show(
    name: Annotated[str, typer.Argument(help="A model's id, or a ticker for its models.", metavar="MODEL|TICKER")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a model, or the serving models of a ticker: metrics out of sample and in sample, beside every baseline."""
    output = Output.of(as_json)
    with open_engine(connect(home).postgres) as engine:
        registry = ModelRegistry(engine)
        one = registry.model(name)
        serving = [deployment.model for deployment in registry.served(one.ticker if one else name)]
    models = [one] if one else serving
    if not models:
        raise ConfigurationError(f"There is no model and no ticker with models {name}; see `tickerstream models list`.")
    ids = {model.model_id for model in serving}
    if as_json:
        documents = [document(model, model.model_id in ids) for model in models]
        output.document(documents[0] if one else documents)
        return
    for model in models:
        _show(output, model, model.model_id in ids)


def document(model: Model, serves: bool) -> dict[str, Any]:
    """Return a model for programs."""
    return {**asdict(model), "serves": serves}


def evaluation_of(metrics: Mapping[str, Any]) -> Evaluation | None:
    """Return the evaluation that a model's metrics are; None where they are of another form."""
    try:
        return Evaluation.model_validate(dict(metrics))
    except ValidationError:
        return None


def _row(model: Model, serves: bool) -> list[Cell]:
    found = evaluation_of(model.metrics)
    primary = found.primary if found else None
    return [
        model.ticker,
        model.kind,
        model.version,
        model.verdict if model.verdict_final else f"{model.verdict}, not final",
        gain(primary),
        primary.sessions if primary else None,
        model.rows,
        f"{model.trained_to:%Y-%m-%d %H:%M}",
        serves,
        model.model_id,
    ]


def gain(primary: Primary | None) -> str | None:
    """Return how much less the model loses than its baseline, as a share of the baseline's loss."""
    if primary is None or primary.gain is None or not primary.baseline_loss:
        return None
    return f"{100 * primary.gain / primary.baseline_loss:+.3f} %"


def _show(output: Output, model: Model, serves: bool) -> None:
    output.line()
    final = "" if model.verdict_final else " (not final: models of its run are not evaluated yet)"
    output.line(f"{model.ticker} {model.kind} version {model.version}: {model.verdict}{final}", style="bold")
    output.line(f"  {model.model_id}{', serves' if serves else ''}{', simulated data' if model.simulated else ''}")
    rows = f"{model.rows:,} rows from {model.trained_from:%Y-%m-%d} to {model.trained_to:%Y-%m-%d}"
    output.line(f"  {rows}, run {model.run_id}, feature set {model.feature_set}", style="dim")
    found = evaluation_of(model.metrics)
    if found is None:
        output.line("  its metrics are of another version; --json shows them", style="yellow")
        return
    primary = found.primary
    if primary.loss is not None and primary.baseline_loss is not None:
        output.line(
            f"  {primary.loss_name} {primary.loss:.6g} against {primary.baseline_loss:.6g} of the baseline "
            f"{primary.baseline_name}: {gain(primary)}, over {primary.rows:,} rows of {primary.sessions} sessions"
        )
    if (got := found.executable.get("mean_return")) is not None:
        output.line(
            f"  held in its direction from the next open on: {got:+.4%} a row on average, before costs, "
            f"over {found.executable['rows']:,.0f} rows"
        )
    _show_scores(output, found)


def _place(metric: str) -> tuple[int, str]:
    return (METRICS.index(metric) if metric in METRICS else len(METRICS), metric)


def _show_scores(output: Output, found: Evaluation) -> None:
    """Write a row a metric: out of sample, in sample, and each baseline's."""
    baselines, decides = sorted(found.baselines), found.primary.baseline_name
    columns = [Column("metric", style="bold"), number("out of sample"), number("in sample")]
    rows: list[list[Cell]] = []
    for metric, value in sorted(found.metrics.items(), key=lambda item: _place(item[0])):
        others = (found.in_sample.get(metric), *(found.baselines[name].get(metric) for name in baselines))
        rows.append([metric, *(None if one is None else f"{one:.6g}" for one in (value, *others))])
    output.table([*columns, *(number(name, spare=int(name != decides)) for name in baselines)], rows)
