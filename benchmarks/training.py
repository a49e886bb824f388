"""Training of a ticker's three models beside bare LightGBM fits of the same three; and forests by library."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import lightgbm
import numpy as np
import polars as pl
from sklearn.ensemble import RandomForestRegressor

from shared.contracts.calendar import session_open, sessions
from shared.contracts.training import MODEL_KINDS
from shared.modelling import forests
from shared.modelling.boosting import ROUNDS
from shared.modelling.bundle import write_bundle
from shared.modelling.kinds import KINDS
from shared.modelling.manifest import Record
from shared.modelling.train_ticker import PreparedTicker, TrainingRequest, prepare, train_model

FEATURES = tuple(f"feature_{n}" for n in range(75))
SEED = 7
COEFFICIENT = 0.05


def rows(count: int) -> pl.DataFrame:
    """Bars of full sessions with 75 features, two in a hundred null; one foretells the next minute a little."""
    random = np.random.default_rng(SEED)
    days = sessions(date(2000, 1, 3), date(2035, 1, 1))[: -(-count // 390)]
    opens = np.array([int(session_open(day).timestamp()) for day in days], dtype=np.int64)
    starts = ((opens[:, None] + np.arange(390) * 60).ravel()[:count]) * 1_000_000
    signal = random.standard_normal(count)
    following = 3e-4 * (COEFFICIENT * 5**0.5 * signal + random.standard_normal(count))
    closes = 100 * np.exp(np.cumsum(np.concatenate([[0.0], following[:-1]])))
    columns = []
    for name in FEATURES:
        values = signal if name == FEATURES[0] else random.standard_normal(count)
        values[random.random(count) < 0.02] = np.nan
        columns.append(pl.Series(name, values, dtype=pl.Float32).fill_nan(None))
    bars = {"timestamp": pl.Series(starts).cast(pl.Datetime("us", "UTC")), "close": closes, "volume": np.ones(count)}
    return pl.DataFrame({**bars, "simulated": np.ones(count, dtype=bool)}).with_columns(columns)


def request() -> TrainingRequest:
    return TrainingRequest("SIM.BENCH", "bench", FEATURES, seed=SEED)


def bare_seconds(frame: pl.DataFrame) -> float:
    """CPU seconds of what somebody writes who only wants the fits: for each a Dataset and a train, equal parameters.

    With one thread they are what an idle machine's clock shows, and true on a busy one.
    """
    prepared = prepare(frame, request())
    begin = process_time()
    for name in MODEL_KINDS:
        sample = prepared.sample(KINDS["lightgbm"][name])
        told = {**sample.binned.parameters, **KINDS["lightgbm"][name].parameters(sample)}
        matrix = sample.rows[sample.positions] if len(sample.positions) < len(sample.rows) else sample.rows
        lightgbm.train(told, lightgbm.Dataset(matrix, sample.target - sample.target.mean(), params=told), ROUNDS)
    return process_time() - begin


def ours(frame: pl.DataFrame, folder: Path) -> dict[str, float]:
    """Seconds by stage of training a ticker, from its rows to three durable bundles."""
    stages = dict.fromkeys(("prepare", "evaluate", "fit", "convert", "write"), 0.0)
    begin = process_time()
    prepared = prepare(frame, request())
    stages["prepare"] = process_time() - begin
    for kind in MODEL_KINDS:
        stopwatch = Stopwatch(stages)
        trained = train_model(prepared, kind, Record(created_at=datetime.now(UTC)), stopwatch)
        stopwatch.update(100, 100, "write")
        write_bundle(folder, trained.bundle)
        stopwatch.update(100, 100, "end")
    return stages


class Stopwatch:
    """A Progress that adds up the CPU seconds between stages; parity and bundle count as convert."""

    def __init__(self, stages: dict[str, float]) -> None:
        self._stages = stages
        self._stage, self._since = "", process_time()

    def update(self, done: int, total: int | None, detail: str) -> None:  # noqa: ARG002  the port's signature
        now = process_time()
        if self._stage:
            self._stages[self._stage] += now - self._since
        self._stage, self._since = {"parity": "convert", "bundle": "convert"}.get(detail, detail), now


def measure(sizes: Sequence[int] = (33_000, 100_000), rounds: int = 3) -> list[str]:
    """Return Markdown lines: each round measures both, one after the other, in one thread."""
    lines = [
        "CPU seconds, one thread. Ours without evaluation: labels, fits, graphs, parity on every row, durable bundles.",
        "",
        "| rows x features | bare fits | ours, fits | ratio | ours without evaluation | ratio | evaluation |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in sizes:
        frame = rows(size)
        for _ in range(rounds):
            bare = bare_seconds(frame)
            with TemporaryDirectory(prefix="tickerstream-bench-") as folder:
                took = ours(frame, Path(folder))
            whole = sum(took.values()) - took["evaluate"]
            parts = f"{bare:.2f} | {took['fit']:.2f} | {took['fit'] / bare:.2f} | {whole:.2f} | {whole / bare:.2f}"
            lines.append(f"| {size:,} x {len(FEATURES)} | {parts} | {took['evaluate']:.2f} |")
    return lines


def by_library(size: int = 100_000) -> list[str]:
    """Return Markdown lines: the regression forest by each library that can grow it, on the same rows."""
    prepared = prepare(rows(size), request())
    matrix = prepared.data.rows
    lines = ["| forest | CPU seconds | answers' correlation with the planted signal |", "| --- | --- | --- |"]
    for name, fit in _forests(prepared).items():
        begin = process_time()
        answers = fit()(matrix)
        took = process_time() - begin
        signal = np.nan_to_num(matrix[:, 0])
        lines.append(f"| {name} | {took:.1f} | {np.corrcoef(answers, signal)[0, 1]:.3f} |")
    return lines


def _forests(prepared: PreparedTicker) -> dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]]:
    sample = prepared.sample(KINDS["lightgbm"]["regression_rf"])

    def plain() -> Callable[[np.ndarray], np.ndarray]:
        forest = RandomForestRegressor(
            forests.TREES,
            max_depth=forests.DEPTH,
            max_features=forests.FEATURE_SHARE,
            min_samples_leaf=sample.min_leaf,
            random_state=SEED,
        ).fit(forests.without_nulls(sample.rows), sample.target)
        return lambda matrix: forest.predict(forests.without_nulls(matrix))

    return {
        "LightGBM, binning included": lambda: KINDS["lightgbm"]["regression_rf"].fit(sample).predict,
        forests.NAME: lambda: KINDS["scikit-learn"]["regression_rf"].fit(sample).predict,
        "scikit-learn, not accelerated": plain,
    }
