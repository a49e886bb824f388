"""Predictions as a table for people: the answer, who gives it, and every model with its verdict beside the baseline."""

from collections.abc import Sequence

from cli.output import Output
from cli.tables import Cell, Column, number
from shared.contracts.predictions import ModelAnswer, Prediction
from shared.contracts.training import MODEL_KINDS

NO_SKILL = (
    'A verdict compares a model with the baseline on rows that it never saw. "No skill" is the usual one, for over '
    "minutes prices hardly follow from their past; the baseline leads then."
)


def show_predictions(output: Output, predictions: Sequence[Prediction]) -> None:
    """Write a row a ticker, then what a verdict means."""
    kinds = [Column(kind, spare=2) for kind in MODEL_KINDS]
    columns = [Column("ticker", style="bold"), Column("as of, UTC"), number("close"), number("expected")]
    columns += [
        number("level", spare=1),
        number("up"),
        Column("leads"),
        *kinds,
        Column("baseline", spare=3),
        Column("data"),
    ]
    output.table(columns, [_row(one) for one in predictions])
    if any(answer.verdict != "skill" for one in predictions for answer in one.models):
        output.line(NO_SKILL, style="dim")


def change(value: float) -> str:
    """Return a return as a percentage."""
    return f"{100 * value:+.4f} %"


def chance(probability: float | None) -> str:
    """Return a probability as a percentage."""
    return "-" if probability is None else f"{100 * probability:.1f} %"


def _row(one: Prediction) -> list[Cell]:
    answers = {answer.kind: answer for answer in one.models}
    return [
        one.ticker,
        f"{one.as_of:%Y-%m-%d %H:%M}",
        f"{one.close:,.2f}",
        change(one.expected_return),
        f"{one.price_level:,.2f}",
        chance(one.probability_up),
        one.leads,
        *(_answer(answers.get(kind)) for kind in MODEL_KINDS),
        f"{change(one.baseline.expected_return)}, {chance(one.baseline.probability_up)}",
        "simulated" if one.simulated else "replayed" if one.replayed else "real",
    ]


def _answer(answer: ModelAnswer | None) -> str | None:
    if answer is None:
        return None
    value = chance(answer.value) if answer.kind.startswith("classification") else change(answer.value)
    return f"{value} ({answer.verdict})"
