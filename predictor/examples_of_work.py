"""What OpenAPI shows as examples of runs, of training, of health and of the Open Inference Protocol."""

from typing import Final

from pydantic.config import JsonDict

_JOB: Final[JsonDict] = {
    "kind": "regression_rf",
    "state": "running",
    "stage": "fit",
    "progress": 0.6,
    "attempt": 1,
    "failures": 0,
    "reason": None,
    "error": None,
    "model_id": None,
    "started_at": "2026-01-04T20:10:02Z",
    "finished_at": None,
}
RUNS: Final[JsonDict] = {
    "runs": [
        {
            "run_id": "simulated-2026-01-04",
            "state": "sending",
            "source": "simulated",
            "simulated": True,
            "attempt": 1,
            "rows": {"h_alpaca": 1180800, "h_macrodata": None},
            "refused": 0,
            "declared_at": "2026-01-04T20:00:00Z",
            "finished_at": None,
            "reason": None,
        }
    ],
    "training": {
        "reachable": True,
        "reason": None,
        "runs": [
            {
                "run_id": "by-hand",
                "reason": "a look by hand",
                "feature_set": "f1a2b3c4d",
                "filed_at": "2026-01-04T20:10:00Z",
                "settled_at": None,
                "queued": 0,
                "running": 1,
                "done": 0,
                "failed": 0,
            }
        ],
        "tickers": [
            {
                "run_id": "by-hand",
                "ticker": "SIM.ALFA",
                "feature_set": "f1a2b3c4d",
                "progress": 0.6,
                "stage": "fit",
                "state": "running",
                "jobs": [_JOB],
            }
        ],
    },
}
FILED: Final[JsonDict] = {"topic": "start_model", "partition": 0, "offset": 41, "jobs": "/v1/runs"}
ALIVE: Final[JsonDict] = {"status": "alive"}
READINESS: Final[JsonDict] = {
    "ready": True,
    "restored": {"model_events": True, "features": True, "runs": True},
    "troubles": {},
    "tickers": 12,
    "models": 36,
    "alerts": 0,
}
SERVER: Final[JsonDict] = {
    "name": "tickerstream-predictor",
    "version": "2",
    "extensions": ["model_repository"],
}
MODEL_NAME: Final = "SIM.ALFA.regression_rf"
MODEL_READY: Final[JsonDict] = {"name": MODEL_NAME, "ready": True}
INDEXED: Final[JsonDict] = {"name": MODEL_NAME, "version": "1", "state": "READY", "reason": ""}
METADATA: Final[JsonDict] = {
    "name": MODEL_NAME,
    "versions": ["1"],
    "platform": "onnxruntime",
    "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "answer", "datatype": "FP64", "shape": [-1]}],
    "parameters": {
        "features": ["sma_10_distance", "bb_width_20", "willr_60"],
        "task": "regression",
        "verdict": "no skill",
    },
}
INFERRED: Final[JsonDict] = {
    "model_name": MODEL_NAME,
    "model_version": "1",
    "id": "7",
    "outputs": [{"name": "answer", "shape": [1], "datatype": "FP64", "data": [0.000021]}],
}
