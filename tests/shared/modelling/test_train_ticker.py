"""The pipeline of one ticker: what its models are made from, what it refuses, and that it repeats itself."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from shared.contracts.training import MODEL_KINDS
from shared.errors import ContractError
from shared.modelling import train_ticker as pipeline
from shared.modelling.bundle import MODEL
from shared.modelling.manifest import Record
from shared.modelling.onnx import to_onnx
from shared.modelling.parity import ParityError, parity
from shared.modelling.train_ticker import UntrainableError, prepare, train_model, train_ticker
from tests.shared.modelling.worlds import FEATURES, planted_rows, request

MADE = Record(created_at=datetime(2025, 1, 1, tzinfo=UTC))
MINUTES = 60


class Stages:
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def update(self, done: int, total: int | None, detail: str) -> None:
        assert total == 100
        self.told.append((done, detail))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return planted_rows(1, 30, MINUTES, 0.1)


@pytest.fixture(scope="module")
def trained(rows):
    return {model.kind: model for model in train_ticker(rows, request(), MADE)}


def test_train_ticker_makes_every_kind(trained):
    assert tuple(trained) == MODEL_KINDS
    for model in trained.values():
        manifest = model.bundle.manifest
        assert manifest.ticker == "SIM.TEST"
        assert manifest.simulated
        assert manifest.features == FEATURES
        assert manifest.sessions == 30
        assert set(model.seconds) == {"evaluate", "fit", "convert"}


def test_train_model_all_history_is_in_the_final_fit(rows, trained):
    labelled = 30 * (MINUTES - 5)
    assert trained["regression_rf"].rows == trained["regression_gb"].rows == labelled
    assert trained["regression_rf"].trained_from == rows["timestamp"][0]
    assert trained["regression_rf"].trained_to == rows["timestamp"][-6]


def test_train_model_parity_covers_every_labelled_row(trained):
    for model in trained.values():
        proven = model.bundle.manifest.parity
        assert proven.rows == 30 * (MINUTES - 5)
        assert 0.05 < proven.rows_with_nulls / proven.rows < 0.25  # seven features, two in a hundred null
        assert proven.largest <= min(1e-6, 1e-3 * proven.deviation)


def test_evaluation_scores_model_and_baselines_on_the_same_rows(trained):
    account = trained["regression_rf"].evaluation
    assert account.primary.sessions == 24
    assert account.primary.rows == sum(fold.test_rows for fold in account.folds) == 24 * (MINUTES - 5)
    assert account.primary.baseline_loss == account.baselines["zero"]["mse"]
    assert account.primary.loss == account.metrics["mse"]
    assert account.executable["rows"] == account.primary.rows
    assert account.in_sample["mse"] is not None
    directions = trained["classification_rf"].evaluation
    assert directions.primary.loss == directions.metrics["log_loss"]
    assert directions.primary.baseline_loss == directions.baselines["training_prior"]["log_loss"]


def test_evaluation_of_returns_scores_naive_directions_on_the_rows_that_moved(rows):
    rounded = rows.with_columns(pl.col("close").round(1))
    [model] = train_ticker(rounded, request(), MADE, ["regression_gb"])
    found, account = model.evaluation.baselines, model.evaluation
    closes, ahead = rounded["close"].to_numpy().reshape(30, MINUTES), MINUTES - 5
    label = np.log(closes[:, 5:] / closes[:, :-5])
    known = np.concatenate([np.zeros((30, 5)), label[:, :-5]], axis=1)  # the move of the five minutes before
    blocks = np.array_split(np.arange(30), 5)
    prior = np.empty((30, ahead))
    for block in blocks[1:]:
        past = label[: block[0]]
        prior[block] = (past > 0).sum() / (past != 0).sum()
    tested = np.isin(np.arange(30), np.concatenate(blocks[1:]))
    moved = (label != 0) & tested[:, None]
    up, share = label[moved] > 0, prior[moved]
    assert 0.5 < moved.sum() / account.primary.rows < 0.99, "some rows did not move"

    said = {"majority_class": share > 0.5, "training_prior": share > 0.5, "last": known[moved] > 0}
    for name, rises in said.items():
        assert found[name]["accuracy"] == pytest.approx((rises == up).mean())
        assert found[name]["recall"] == pytest.approx((rises & up).sum() / up.sum())
    assert found["training_prior"]["log_loss"] == pytest.approx(-np.log(np.where(up, share, 1 - share)).mean())
    assert found["training_prior"]["brier"] == pytest.approx(((share - up) ** 2).mean())
    assert found["last"]["precision"] == pytest.approx(up[said["last"]].mean())
    assert set(found) == {"zero", "last", "training_mean", "majority_class", "training_prior"}
    assert found["zero"]["mse"] == account.primary.baseline_loss
    assert found["last"]["mse"] == pytest.approx(np.mean((np.expm1(known) - np.expm1(label))[tested] ** 2))


def test_evaluation_few_sessions_are_insufficient_and_still_make_models():
    models = train_ticker(planted_rows(2, 12, MINUTES, 0.1), request(), MADE)
    assert [model.evaluation.primary.p_skill for model in models] == [None] * 3
    assert all(model.evaluation.primary.loss is not None for model in models)


def test_evaluation_one_session_has_no_scores():
    models = train_ticker(planted_rows(2, 1, 390, 0.1), request(), MADE, ["regression_gb"])
    assert models[0].evaluation.folds == ()
    assert models[0].evaluation.primary.loss is None
    assert set(models[0].evaluation.metrics.values()) == {None}


def test_train_model_same_rows_and_seed_give_the_same_digest(rows, trained):
    later = Record(created_at=datetime(2026, 6, 1, tzinfo=UTC), run_id="another")
    again = train_ticker(rows, request(), later)
    assert [model.bundle.digest for model in again] == [model.bundle.digest for model in trained.values()]


@pytest.mark.torture
def test_train_model_other_number_of_threads_gives_the_same_digest(rows, trained):
    """Torture, for two threads that spin on a busy machine take minutes."""
    again = train_ticker(rows, request(threads=2), MADE)
    assert [model.bundle.digest for model in again] == [model.bundle.digest for model in trained.values()]


def test_train_model_kinds_at_the_same_time_give_the_same_digests(rows, trained):
    prepared = prepare(rows, request())
    with ThreadPoolExecutor(len(MODEL_KINDS)) as pool:
        again = list(pool.map(lambda kind: train_model(prepared, kind, MADE), MODEL_KINDS))
    assert [model.bundle.digest for model in again] == [model.bundle.digest for model in trained.values()]


def test_train_model_alone_gives_the_same_digest(rows, trained):
    alone = train_model(prepare(rows, request()), "regression_gb", MADE)
    assert alone.bundle.digest == trained["regression_gb"].bundle.digest


def test_train_model_other_ticker_seed_or_rows_give_other_digests(rows, trained):
    digests = {trained["regression_gb"].bundle.digest}
    for other in (request("SIM.ELSE"), request(seed=8), request(horizon_minutes=6)):
        digests.add(train_model(prepare(rows, other), "regression_gb", MADE).bundle.digest)
    digests.add(train_model(prepare(rows[:-1], request()), "regression_gb", MADE).bundle.digest)
    assert len(digests) == 5


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_train_model_scikit_learn_forests_take_the_same_way(rows, kind):
    models = [train_model(prepare(rows, request(forests="scikit-learn")), kind, MADE) for _ in range(2)]
    assert models[0].bundle.digest == models[1].bundle.digest


def test_train_model_tells_its_stages(rows):
    stages = Stages()
    train_ticker(rows, request(), MADE, ["regression_gb"], stages)
    done = [share for share, _ in stages.told]
    assert done == sorted(done)
    assert done[-1] == 100
    assert list(dict.fromkeys(name for _, name in stages.told)) == [
        "label", "evaluate", "fit", "convert", "parity", "bundle",
    ]  # fmt: skip


def test_prepare_too_few_labels_is_untrainable(rows):
    with pytest.raises(UntrainableError, match=r"only 45 of 50 rows have a label"):
        prepare(rows[:50], request())


def test_train_model_one_direction_is_untrainable(rows):
    rising = rows.with_columns(close=pl.lit(100.0) + pl.int_range(pl.len()) / 1000)
    prepared = prepare(rising, request())
    with pytest.raises(UntrainableError, match="one direction"):
        train_model(prepared, "classification_rf", MADE)
    assert train_model(prepared, "regression_rf", MADE).rows == 30 * (MINUTES - 5)


def test_prepare_flat_prices_make_regressions_that_say_nothing(rows):
    prepared = prepare(rows.with_columns(close=pl.lit(100.0)), request())
    assert train_model(prepared, "regression_gb", MADE).evaluation.primary.p_skill == 1.0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.drop("signal"), "columns are missing.*signal"),
        (lambda rows: rows.reverse(), "ascending"),
        (lambda rows: rows.with_columns(simulated=pl.int_range(pl.len()) > 5), "mixed"),
    ],
)
def test_prepare_broken_rows_are_refused(rows, spoil, said):
    with pytest.raises(ContractError, match=said):
        prepare(spoil(rows), request())


def test_prepare_shifted_labels_are_noticed(rows, monkeypatch):
    honest = pipeline.labels
    monkeypatch.setattr(
        pipeline, "labels", lambda *given: honest(*given).with_columns(pl.col("label").shift(-1).fill_null(0.0))
    )
    with pytest.raises(ContractError, match="shifted"):
        prepare(rows, request())


@pytest.mark.parametrize("difference", [1.1e-6, -1.1e-6, np.nan])
def test_parity_one_row_off_is_refused(difference):
    answers = np.linspace(-1, 1, 50)
    served = answers.copy()
    served[17] += difference
    with pytest.raises(ParityError, match="differs"):
        parity(answers, served, 0)


def test_parity_small_answers_are_held_to_their_deviation():
    answers = np.linspace(-1, 1, 50) * 1e-5
    with pytest.raises(ParityError):
        parity(answers, answers + 1e-8, 0)
    assert parity(answers, answers + 1e-9, 3).rows_with_nulls == 3


def test_parity_constant_answers_pass():
    assert parity(np.full(5, 0.5), np.full(5, 0.5) + 3e-8, 0).deviation == 0


def test_graph_is_the_same_bytes_twice(trained, rows):
    prepared = prepare(rows, request())
    kind = pipeline.KINDS["lightgbm"]["regression_gb"]
    made = {to_onnx(kind.fit(prepared.sample(kind)).trees(), len(FEATURES)) for _ in range(2)}
    assert made == {trained["regression_gb"].bundle.files[MODEL]}
