"""From a fitted model to its bundle: graph, arrays, parity gate, sample and manifest."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from shared.modelling.baselines import share_of_rises
from shared.modelling.boosting import Rows
from shared.modelling.bundle import MODEL, SAMPLE, TREES, Bundle, sha256
from shared.modelling.data import LabelledRows
from shared.modelling.evaluate import in_sample_scores, usable
from shared.modelling.evaluation import Evaluation
from shared.modelling.kinds import Fitted, Kind, Sample
from shared.modelling.manifest import Manifest, Parity, Record
from shared.modelling.onnx import to_onnx
from shared.modelling.parity import parity
from shared.modelling.request import TrainingRequest
from shared.modelling.sample import ParitySample, sample_rows
from shared.modelling.session import Graph
from shared.ports import Progress

_COUNTED_ROWS = 16_384
_LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxruntime", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Source:
    """What a model was made from, for its manifest."""

    request: TrainingRequest
    data: LabelledRows
    rows_hash: str
    kind: Kind
    sample: Sample


def assemble(source: Source, fitted: Fitted, evaluation: Evaluation, record: Record, told: Progress) -> Bundle:
    """Convert a fitted model, compare the graph with it on every labelled row, and put the bundle together.

    Raises:
        ParityError: the served graph answers differently from the fitted model.
    """
    rows = source.data.rows
    trees = fitted.trees()
    model = to_onnx(trees, rows.shape[1])
    graph = Graph(model)
    told.update(85, 100, "parity")
    chosen = sample_rows(rows, source.request.seed)
    parity(fitted.predict(chosen), graph.predict(chosen), len(chosen))
    answers = fitted.predict(rows)
    proven = parity(answers, graph.predict(rows), _rows_with_nulls(rows))
    files = {
        MODEL: model,
        TREES: trees.to_npz(),
        SAMPLE: ParitySample(chosen, fitted.predict(chosen)).to_npz(),
    }
    moved = usable(source.kind.task, source.data.label)
    in_sample = in_sample_scores(source.kind.task, source.data.label[moved], answers[moved])
    whole = evaluation.model_copy(update={"in_sample": in_sample})
    digests = {name: sha256(data) for name, data in files.items()}
    return Bundle(_manifest(source, whole, proven, digests), record, files)


def _rows_with_nulls(rows: Rows) -> int:
    """Return how many rows have a null, counted in bounded pieces."""
    return sum(
        int(np.isnan(rows[first : first + _COUNTED_ROWS]).any(axis=1).sum())
        for first in range(0, len(rows), _COUNTED_ROWS)
    )


def _manifest(source: Source, evaluation: Evaluation, proven: Parity, digests: dict[str, str]) -> Manifest:
    request, data, sample = source.request, source.data, source.sample
    names = tuple(request.features)
    return Manifest(
        ticker=request.ticker,
        kind=source.kind.name,
        task=source.kind.task,
        feature_set=request.feature_set,
        features=names,
        features_hash=hashlib.sha256("\n".join(names).encode()).hexdigest(),
        horizon_minutes=request.horizon_minutes,
        session=request.session,
        simulated=data.simulated,
        trained_from=data.instant(int(sample.positions[0])),
        trained_to=data.instant(int(sample.positions[-1])),
        rows=len(sample.positions),
        sessions=len(np.unique(data.sessions[sample.positions])),
        training_rows_hash=source.rows_hash,
        prior_up=share_of_rises(data.label) if data.label.any() else None,
        seed=request.seed,
        implementation=source.kind.implementation,
        parameters=dict(source.kind.parameters(sample)),
        libraries={name: version(name) for name in _LIBRARIES},
        evaluation=evaluation,
        parity=proven,
        files=digests,
    )
