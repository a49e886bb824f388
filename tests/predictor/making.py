"""Real bundles of small models, and the rows and deployments that go with them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from shared.contracts.calendar import session_open, sessions
from shared.contracts.rows import FeatureRow
from shared.contracts.training import MODEL_KINDS, ModelEvent, ModelKind, Verdict
from shared.features.catalogue import FEATURE_SET, MODEL_FEATURES, NAMES
from shared.features.rows import row_hash
from shared.modelling.bundle import Bundle, write_bundle
from shared.modelling.manifest import Record
from shared.modelling.train_ticker import TrainingRequest, train_ticker

FEATURES = MODEL_FEATURES[:5]
NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
KEPT: ModelKind = "classification_rf"
COMPACTED: ModelKind = "regression_gb"
DAYS = sessions(date(2025, 1, 6), date(2025, 2, 1))[:6]


def training_rows(seed: int, simulated: bool) -> pl.DataFrame:
    """A random walk of the first 60 minutes of six sessions, with noise for features and one null in ten."""
    rng, count = np.random.default_rng(seed), len(DAYS) * 60
    at = [session_open(day) + timedelta(minutes=minute) for day in DAYS for minute in range(60)]
    features = {}
    for name in FEATURES:
        values = np.where(rng.random(count) < 0.1, np.nan, rng.normal(0, 1, count))
        features[name] = pl.Series(values.astype(np.float32)).fill_nan(None)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 5e-4, count)))
    frame = {"timestamp": at, "close": close, "volume": np.full(count, 10.0), "simulated": [simulated] * count}
    return pl.DataFrame({**frame, **features}).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


@cache
def bundles(ticker: str, seed: int = 1, feature_set: str = FEATURE_SET) -> dict[ModelKind, Bundle]:
    """Models of a ticker; other seeds make other digests."""
    request = TrainingRequest(ticker, feature_set, FEATURES, seed=seed)
    rows = training_rows(seed, ticker.startswith("SIM."))
    return {model.kind: model.bundle for model in train_ticker(rows, request, Record(created_at=NOW))}


def event_of(bundle: Bundle, sequence: int, verdict: Verdict = "no skill", **changes: object) -> ModelEvent:
    manifest = bundle.manifest
    event = ModelEvent(
        event="deployed",
        sequence=sequence,
        ticker=manifest.ticker,
        kind=manifest.kind,
        model_id=f"{manifest.ticker}-{manifest.kind}-{sequence}",
        version=sequence,
        digest=bundle.digest,
        verdict=verdict,
        feature_set=manifest.feature_set,
        horizon_minutes=manifest.horizon_minutes,
        simulated=manifest.simulated,
        at=NOW,
    )
    return event.model_copy(update=changes)


def deployed(
    model_dir: Path,
    ticker: str,
    first_sequence: int = 1,
    verdicts: Sequence[Verdict] = ("no skill", "no skill", "no skill"),
    seed: int = 1,
) -> list[ModelEvent]:
    """Write a ticker's three bundles; return their deployments, in the order of MODEL_KINDS."""
    made = bundles(ticker, seed)
    for bundle in made.values():
        write_bundle(model_dir, bundle)
    return [
        event_of(made[kind], first_sequence + n, verdict)
        for n, (kind, verdict) in enumerate(zip(MODEL_KINDS, verdicts, strict=True))
    ]


def feature_row(ticker: str, minute: int = 0, revision: int = 1, **changes: object) -> FeatureRow:
    """A row at NOW + `minute` with one null; equal arguments, equal row."""
    rng = np.random.default_rng([minute, revision, *ticker.encode()])
    values: dict[str, float | None] = {name: float(np.float32(rng.normal())) for name in NAMES}
    values[FEATURES[1]] = None
    at, close = NOW + timedelta(minutes=minute), 100.0 + minute / 8
    row = FeatureRow(
        ticker=ticker,
        timestamp=at,
        revision=revision,
        as_of=at + timedelta(minutes=revision),
        made_at=at + timedelta(minutes=revision, seconds=1),
        feature_set=FEATURE_SET,
        close=close,
        session="regular",
        simulated=ticker.startswith("SIM."),
        values=values,
        row_hash=row_hash(ticker, at, FEATURE_SET, close, list(values.values())),
    )
    return row.model_copy(update=changes)
