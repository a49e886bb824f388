"""What OpenAPI shows as examples: one ticker of the simulated exchange throughout."""

from typing import Final

from pydantic.config import JsonDict

DIGEST: Final = "5f" * 32
PREDICTION: Final[JsonDict] = {
    "id": "9b1e3c5d7f90a1b2c3d4e5f60718293a",
    "ticker": "SIM.ALFA",
    "timestamp": "2026-01-05T15:00:00Z",
    "as_of": "2026-01-05T15:01:00Z",
    "horizon_minutes": 5,
    "close": 101.25,
    "expected_return": 0.0,
    "price_level": 101.25,
    "direction": "up",
    "probability_up": 0.5031,
    "leads": "baseline",
    "interval": None,
    "baseline": {"expected_return": 0.0, "probability_up": 0.5031},
    "models": [
        {
            "kind": "regression_rf",
            "model_id": "SIM.ALFA-regression_rf-1",
            "version": 1,
            "digest": DIGEST,
            "verdict": "no skill",
            "value": 0.000021,
        }
    ],
    "feature_set": "f1a2b3c4d",
    "row_hash": "0123456789abcdef0123456789abcdef",
    "revision": 1,
    "simulated": True,
    "replayed": False,
    "made_at": "2026-01-05T15:01:00.120000Z",
}
SERVED: Final[JsonDict] = {**PREDICTION, "age_seconds": 12.5, "stale": False}
CALLERS: Final[JsonDict] = {
    **PREDICTION,
    "counted": False,
    "origin": "caller",
    "bars": 300,
    "features_null": ["sma_200_distance"],
}
PROBLEM: Final[JsonDict] = {
    "type": "urn:tickerstream:problem:no-model",
    "title": "No model serves this ticker",
    "status": 409,
    "detail": "SIM.BRAVO: no model serves this ticker yet. Train one: POST /v1/training.",
    "missing": ["models"],
    "instance": "/v1/predictions/SIM.BRAVO",
}
SEVERAL: Final[JsonDict] = {"predictions": [SERVED], "problems": [PROBLEM]}
HISTORY: Final[JsonDict] = {
    "ticker": "SIM.ALFA",
    "complete": True,
    "closes": [
        {"timestamp": "2026-01-05T14:59:00Z", "close": 101.2},
        {"timestamp": "2026-01-05T15:00:00Z", "close": 101.25},
    ],
    "predictions": [PREDICTION],
}
TICKERS: Final[JsonDict] = {
    "tickers": [
        {
            "ticker": "SIM.ALFA",
            "simulated": True,
            "replayed": False,
            "timestamp": "2026-01-05T15:00:00Z",
            "close": 101.25,
            "feature_set": "f1a2b3c4d",
            "age_seconds": 12.5,
            "verdicts": {"regression_rf": "no skill"},
            "alerts": 0,
            "prediction": SERVED,
            "missing": [],
            "reason": None,
            "planted": {
                "information_coefficient": 0.05,
                "mechanism": "momentum",
                "window_minutes": 15,
                "horizon_minutes": 5,
                "signal": "close(t) / close(t - 15 min) - 1, within one regular session",
            },
        }
    ]
}
DEPLOYMENT: Final[JsonDict] = {
    "ticker": "SIM.ALFA",
    "kind": "regression_rf",
    "model_id": "SIM.ALFA-regression_rf-1",
    "version": 1,
    "digest": DIGEST,
    "sequence": 7,
    "event": "deployed",
    "verdict": "no skill",
}
DEPLOYMENTS: Final[JsonDict] = {
    "ticker": "SIM.ALFA",
    "at": "2026-01-05T12:00:00Z",
    "deployments": [{**DEPLOYMENT, "at": "2026-01-04T20:11:09Z"}],
}
_SCORES: Final[JsonDict] = {"mse": 1.2105e-06, "mae": 0.000743, "r2": -0.0004, "information_coefficient": 0.0121}
MODELS: Final[JsonDict] = {
    "models": [
        {
            **DEPLOYMENT,
            "verdict_final": True,
            "feature_set": "f1a2b3c4d",
            "horizon_minutes": 5,
            "simulated": True,
            "run_id": "simulated-2026-01-04",
            "deployed_at": "2026-01-04T20:11:09Z",
            "trained_from": "2025-07-07T13:30:00Z",
            "trained_to": "2026-01-02T20:54:00Z",
            "rows": 47805,
            "sessions": 124,
            "implementation": "lightgbm",
            "primary": {
                "loss_name": "mse",
                "baseline_name": "zero",
                "rows": 38290,
                "sessions": 99,
                "loss": 1.2105e-06,
                "baseline_loss": 1.21e-06,
                "gain": -5e-10,
                "gain_low": -1.6e-09,
                "gain_high": 6e-10,
                "p_skill": 0.81,
                "p_worse": 0.19,
            },
            "metrics": _SCORES,
            "in_sample": {**_SCORES, "mse": 1.1e-06},
            "baselines": {"zero": {"mse": 1.21e-06, "mae": 0.000742}},
            "executable": {"rows": 38102.0, "mean_return": 1.3e-06, "information_coefficient": 0.0098},
            "prior_up": 0.5031,
        }
    ],
    "alerts": [
        {
            "ticker": "SIM.ALFA",
            "kind": "regression_gb",
            "version": 2,
            "digest": DIGEST,
            "sequence": 9,
            "reason": "bundle 5f5f5f5f5f5f: model.onnx is altered. It is not served; train the ticker again or restore "
            "the folder.",
            "at": "2026-01-05T14:30:00Z",
        }
    ],
}
