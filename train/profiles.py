"""The profiles of a ticker as documents: what its models are worth, what its rows look like, and whose it is."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any, Final

from shared.contracts.training import ModelKind
from shared.storage.documents import Collection
from shared.storage.models import Deployment
from shared.storage.profile_queue import ProfileFacts

_METRICS: Final[dict[str, tuple[str, ...]]] = {
    "regression": ("mse", "rmse", "mae", "r2", "information_coefficient"),
    "classification": ("accuracy", "precision", "recall", "f1", "log_loss", "auc", "brier"),
}
_MODEL_TYPES: Final[dict[ModelKind, str]] = {
    "regression_rf": "random forest, regression",
    "classification_rf": "random forest, classification",
    "regression_gb": "gradient boosting, regression",
}


def profiles(facts: ProfileFacts, now: datetime) -> dict[Collection, dict[str, Any]]:
    """Return the documents of a ticker by collection. `now` is the profile's `created_at`, aware, UTC."""
    return {
        "ml_profiles": _ml(facts) | _head("ml", now),
        "statistical_profiles": _statistical(facts) | _head("statistical", now),
        "company_profiles": _company(facts, now) | _head("company", now),
    }


def _head(profile_type: str, now: datetime) -> dict[str, Any]:
    return {"profile_type": profile_type, "created_at": now, "status": "active"}


def _ml(facts: ProfileFacts) -> dict[str, Any]:
    return {
        "run_id": facts.run_id,
        "models": {
            "models_trained": len(facts.served),
            "metrics": {one.model.kind: _metrics(one) for one in facts.served},
        },
        "features": {group: list(names) for group, names in facts.statistics["features"].items()},
    }


def _metrics(one: Deployment) -> dict[str, Any]:
    model = one.model
    found, inside = model.metrics["metrics"], model.metrics["in_sample"]
    wanted = _METRICS[model.kind.partition("_")[0]]
    return {
        "model_type": _MODEL_TYPES[model.kind],
        "model_id": model.model_id,
        "version": model.version,
        "digest": model.digest,
        "verdict": one.verdict,
        "verdict_final": model.verdict_final,
        "rows": model.rows,
        "trained_from": model.trained_from,
        "trained_to": model.trained_to,
        **{name: found.get(name) for name in wanted},
        "in_sample": {name: inside.get(name) for name in wanted},
        "baselines": model.metrics["baselines"],
    }


def _statistical(facts: ProfileFacts) -> dict[str, Any]:
    return {"run_id": facts.run_id, "computed_at": facts.statistics_at, **facts.statistics}


def _company(facts: ProfileFacts, now: datetime) -> dict[str, Any]:
    """Return what is known of the company; null where nothing was ever filed."""
    filing = facts.filing
    statement: Mapping[str, Any] = filing["statement"] if filing else {}
    return {
        "name": facts.name or None,
        "exchange": statement.get("exchange"),
        "last_updated": now,
        "filing": None
        if filing is None
        else {
            "period": filing["period"],
            "period_end": datetime.combine(filing["period_end"], time(), UTC),
            "calendarYear": filing["calendarYear"],
            "filed_at": filing["filed_at"],
            "source": filing["source"],
            "statement": dict(statement),
        },
    }
