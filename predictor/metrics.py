"""What Prometheus is told."""

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Metrics:
    """The predictor's own registry and its instruments."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        told: dict[str, Any] = {"registry": self.registry, "namespace": "tickerstream"}
        self.answers = Counter("predictions", "Answers published to Kafka and served", **told)
        self.refused = Gauge("records_refused", "Records of features, model_events and runs set aside", **told)
        self.load_failures = Gauge("model_load_failures", "Bundles that could not be loaded, each try", **told)
        self.alerts = Gauge("model_alerts", "Deployments that could not take effect; what served before serves", **told)
        self.serving = Gauge("models_serving", "Models that serve", **told)
        self.streams = Gauge("event_streams", "Open event streams", **told)
        self.requests = Counter("http_requests", "Requests", ["method", "route", "status"], **told)
        buckets = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
        self.seconds = Histogram("http_request_seconds", "Time to the response", ["route"], buckets=buckets, **told)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is a template, so that there are few of them."""
        key = (method, route, status)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = self.requests.labels(*key), self.seconds.labels(route)
        found[0].inc()
        found[1].observe(seconds)

    def watch_ages(self, ages: "Callable[[], dict[str, float]]") -> None:
        """Tell the age of each ticker's newest answer, in seconds, whenever asked."""
        self.registry.register(_Ages(ages))


class _Ages:
    """A collector of ages, made when asked, so that they are never old."""

    def __init__(self, ages: "Callable[[], dict[str, float]]") -> None:
        self._ages = ages

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        family = GaugeMetricFamily("tickerstream_prediction_age_seconds", "Age of the newest answer", labels=["ticker"])
        for ticker, age in self._ages().items():
            family.add_metric([ticker], age)
        yield family


class Measured:
    """Counts requests by route and status; a route is its template, so that addresses cannot fill the memory.

    Args:
        app: The application inside.
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.request(method, route, status, time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, noted)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
