"""What the predictor tells."""

from typing import Final

from shared.metrics.instruments import SECONDS, Group

GROUP: Final = Group("Predictor")
_REQUEST_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PREDICTIONS: Final = GROUP.counter("predictions", "Answers published to Kafka and served")
COMPUTE_SECONDS: Final = GROUP.histogram(
    "prediction_compute_seconds", "Time to compute one answer, all its models together", _REQUEST_SECONDS
)
PUBLISH_SECONDS: Final = GROUP.histogram(
    "prediction_publish_seconds", "Time until Kafka had acknowledged answers; only then they are served", SECONDS
)
PREDICTION_AGE: Final = GROUP.asked(
    "prediction_age_seconds", "Age of the newest answer, counted like that of its row", "ticker"
)
FEATURE_AGE: Final = GROUP.asked(
    "feature_age_seconds",
    "Age of the newest feature row: since its `as_of`; of simulated and replayed data since it was made",
    "ticker",
)
MODEL_AGE: Final = GROUP.asked("model_age_seconds", "Time since the model that serves was deployed", "ticker", "kind")
LOAD_FAILURES: Final = GROUP.asked_counter("model_load_failures", "Bundles that could not be loaded, each try")
ALERTS: Final = GROUP.asked(
    "model_alerts", "Deployments that could not take effect and are still wanted; what served before serves"
)
MODELS: Final = GROUP.asked("models_serving", "Models that serve", "kind", "verdict")
SILENT: Final = GROUP.asked("tickers_without_answer", "Tickers with a feature row whose newest row has no answer")
STREAMS: Final = GROUP.asked("event_streams", "Open event streams")
REQUESTS: Final = GROUP.counter("http_requests", "HTTP requests", "method", "route", "status")
REQUEST_SECONDS: Final = GROUP.histogram("http_request_seconds", "Time to the response", _REQUEST_SECONDS, "route")
