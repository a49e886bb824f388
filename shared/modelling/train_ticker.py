"""Training of one ticker as a pure pipeline: rows in, evaluated models with their bundles out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from shared.clock import SystemClock
from shared.contracts.training import MODEL_KINDS, ModelKind
from shared.errors import ContractError, TickerstreamError
from shared.modelling.assemble import Source, assemble
from shared.modelling.boosting import BinnedRows, Rows
from shared.modelling.bundle import Bundle
from shared.modelling.checks import check_labels
from shared.modelling.data import LabelledRows, labelled_rows
from shared.modelling.evaluate import MAX_FOLD_ROWS, MIN_ROWS, FoldRows, can_fit, evaluate, target, usable
from shared.modelling.evaluation import Evaluation
from shared.modelling.folds import Fold, expanding_folds
from shared.modelling.kinds import KINDS, Kind, Sample
from shared.modelling.labels import labels
from shared.modelling.manifest import Record
from shared.modelling.request import TrainingRequest
from shared.ports import NoProgress, Progress

__all__ = [
    "PreparedTicker",
    "TrainedModel",
    "TrainingRequest",
    "UntrainableError",
    "prepare",
    "train_model",
    "train_ticker",
]


class UntrainableError(TickerstreamError):
    """These rows can not make a model (too few labels, one direction only). Trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model that passed the parity gate, ready for `bundle.write_bundle`. Its verdict needs the whole run's.

    `seconds` are by stage: evaluate, fit (on all rows, binning included where it is the first kind), convert.
    """

    kind: ModelKind
    evaluation: Evaluation
    bundle: Bundle
    trained_from: datetime
    trained_to: datetime
    rows: int
    seconds: dict[str, float]


class PreparedTicker:
    """A ticker's labelled rows, folds and binned features, shared by the kinds that are trained from them.

    Several kinds may be trained at the same time, a thread each.

    Args:
        data: The labelled rows.
        request: What is to be trained.
    """

    def __init__(self, data: LabelledRows, request: TrainingRequest) -> None:
        self.data = data
        self.request = request
        self.rows_hash = data.digest()
        folds = expanding_folds(data.sessions, data.closes, data.ends, request.horizon_minutes)
        self.folds = [self._thinned(fold) for fold in folds]
        self._binned = self._bins(data.rows)

    def sample(self, kind: Kind) -> Sample:
        """Return all rows that have a target of this kind."""
        positions = np.flatnonzero(usable(kind.task, self.data.label))
        wanted = target(kind.task, self.data.label[positions])
        overlap, request = float(self.request.horizon_minutes), self.request
        return Sample(self.data.rows, self._binned, positions, wanted, overlap, request.seed, request.threads)

    def _thinned(self, fold: Fold) -> FoldRows:
        stride = -(-len(fold.train) // MAX_FOLD_ROWS)
        train = fold.train[::stride]
        rows = self.data.rows[train]
        return FoldRows(fold, train, rows, self._bins(rows), max(1.0, self.request.horizon_minutes / stride))

    def _bins(self, rows: Rows) -> BinnedRows:
        return BinnedRows(rows, self.request.seed, self.request.threads)


def prepare(rows: pl.DataFrame, request: TrainingRequest, progress: Progress | None = None) -> PreparedTicker:
    """Label, order and fold a ticker's rows.

    Args:
        rows: timestamp (bar start, UTC, ascending), close, volume, simulated, the features (Float32, null where none),
            and `open` where executable returns are wanted.
        request: What is to be trained.
        progress: Told of the stage.

    Raises:
        UntrainableError: too few labelled rows.
        ContractError: columns are missing, the rows are not ascending, or simulated and real ones are mixed.
    """
    (progress or NoProgress()).update(0, 100, "label")
    missing = [c for c in ("timestamp", "close", "volume", "simulated", *request.features) if c not in rows.columns]
    if missing:
        raise ContractError(f"{request.ticker}: columns are missing in the rows to train on: {', '.join(missing)}")
    labelled = labels(rows, request.horizon_minutes, request.session)
    check_labels(rows, labelled, request.horizon_minutes, request.seed)
    data = labelled_rows(rows, labelled, request.features)
    if len(data.label) < MIN_ROWS:
        raise UntrainableError(
            f"{request.ticker}: only {len(data.label)} of {rows.height} rows have a label, {MIN_ROWS} are needed."
            " Publish more history and train again."
        )
    return PreparedTicker(data, request)


def train_model(
    prepared: PreparedTicker, kind: ModelKind, record: Record, progress: Progress | None = None
) -> TrainedModel:
    """Evaluate, fit on all rows, convert, hold the parity gate, and put the bundle together.

    Progress is told (percent of this model, 100, stage), stages: evaluate, fit, convert, parity, bundle.

    Raises:
        UntrainableError: the rows can not make this kind (the price moved in one direction only).
        ParityError: the served graph answers differently from the fitted model.
    """
    told, request, data = progress or NoProgress(), prepared.request, prepared.data
    recipe = KINDS[request.forests][kind]
    sample = prepared.sample(recipe)
    if not can_fit(recipe.task, sample.target):
        raise UntrainableError(
            f"{request.ticker}: {len(sample.target)} rows with a move, or moves in one direction only, make no {kind}."
            " Publish more history and train again."
        )
    clock, marks = SystemClock(), {}
    told.update(0, 100, "evaluate")
    marks["begin"] = clock.monotonic()
    evaluation = evaluate(
        data, recipe, prepared.folds, request.seed, request.threads, lambda s: told.update(int(60 * s), 100, "evaluate")
    )
    marks["evaluate"] = clock.monotonic()
    told.update(60, 100, "fit")
    fitted = recipe.fit(sample)
    marks["fit"] = clock.monotonic()
    told.update(80, 100, "convert")
    source = Source(request, data, prepared.rows_hash, recipe, sample)
    bundle = assemble(source, fitted, evaluation, record, told)
    marks["convert"] = clock.monotonic()
    told.update(100, 100, "bundle")
    seconds = {stage: marks[stage] - before for stage, before in zip(list(marks)[1:], marks.values(), strict=False)}
    manifest = bundle.manifest
    return TrainedModel(
        kind, manifest.evaluation, bundle, manifest.trained_from, manifest.trained_to, manifest.rows, seconds
    )


def train_ticker(
    rows: pl.DataFrame,
    request: TrainingRequest,
    record: Record,
    kinds: Sequence[ModelKind] = MODEL_KINDS,
    progress: Progress | None = None,
) -> list[TrainedModel]:
    """Train several kinds on the same rows; see `prepare` and `train_model`."""
    prepared = prepare(rows, request, progress)
    return [train_model(prepared, kind, record, progress) for kind in kinds]
