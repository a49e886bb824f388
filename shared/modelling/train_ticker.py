"""Training of one ticker as a pure pipeline: rows in, evaluated models with their bundles out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from shared.contracts.training import MODEL_KINDS, ModelKind
from shared.errors import TickerstreamError
from shared.modelling.bundle import Bundle
from shared.modelling.evaluation import Evaluation
from shared.modelling.labels import SessionRule
from shared.modelling.manifest import Record
from shared.ports import NoProgress, Progress


class UntrainableError(TickerstreamError):
    """These rows can not make a model (too few labels, one direction only). Trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained. `features` are the columns that models are fed, in order."""

    ticker: str
    feature_set: str
    features: Sequence[str]
    horizon_minutes: int = 5
    session: SessionRule = "regular"
    seed: int = 7
    threads: int = 1


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model that passed the parity gate, ready for `bundle.write_bundle`. Its verdict needs the whole run's."""

    kind: ModelKind
    evaluation: Evaluation
    bundle: Bundle
    trained_from: datetime
    trained_to: datetime
    rows: int
    seconds: dict[str, float]


class PreparedTicker:
    """A ticker's labelled rows, folds and binned features, shared by the kinds that are trained from them."""


def prepare(rows: pl.DataFrame, request: TrainingRequest, progress: Progress | None = None) -> PreparedTicker:
    """Label, order and bin a ticker's rows.

    Args:
        rows: timestamp (bar start, UTC, ascending), close, volume, simulated, the features (Float32, null where none),
            and `open` where executable returns are wanted.
        request: What is to be trained.
        progress: Told of the stages.

    Raises:
        UntrainableError: too few labelled rows.
        ContractError: columns are missing, the rows are not ascending, or simulated and real ones are mixed.
    """
    raise NotImplementedError


def train_model(
    prepared: PreparedTicker, kind: ModelKind, record: Record, progress: Progress | None = None
) -> TrainedModel:
    """Evaluate, fit on all rows, convert, hold the parity gate, and put the bundle together.

    Progress is told (percent done of this model, 100, stage), stages: evaluate, fit, convert, parity, bundle.

    Raises:
        UntrainableError: the rows can not make this kind (a single direction).
        ParityError: the served graph answers differently from the fitted model.
    """
    raise NotImplementedError


def train_ticker(
    rows: pl.DataFrame,
    request: TrainingRequest,
    record: Record,
    kinds: Sequence[ModelKind] = MODEL_KINDS,
    progress: Progress | None = None,
) -> list[TrainedModel]:
    """Train several kinds on the same rows; see `prepare` and `train_model`."""
    told = progress or NoProgress()
    prepared = prepare(rows, request, told)
    return [train_model(prepared, kind, record, told) for kind in kinds]
