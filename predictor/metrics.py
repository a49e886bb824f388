"""What the predictor tells Prometheus: its requests as they come, its books when asked."""

import time
from collections import Counter as Tally
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predictor.desk import Desk
from shared.contracts.rows import FeatureRow
from shared.metrics import serving
from shared.metrics.instruments import Values

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_children: Final[dict[tuple[str, str, int], tuple[Counter, Histogram]]] = {}


def tell_books(desk: Desk) -> None:
    """Tell of the desk's books from now on."""
    books, answers = desk.models, desk.answers
    serving.PREDICTION_AGE.tell(lambda: {(name,): desk.age(one) for name, one in answers.newest.copy().items()})
    serving.FEATURE_AGE.tell(lambda: {(name,): _row_age(desk, row) for name, row in answers.rows.copy().items()})
    serving.MODEL_AGE.tell(lambda: _model_ages(desk))
    serving.MODELS.tell(lambda: _models(desk))
    serving.ALERTS.tell(lambda: {(): len(books.alerts())})
    serving.LOAD_FAILURES.tell(lambda: {(): books.failures})
    serving.SILENT.tell(lambda: {(): len(answers.silent)})
    serving.STREAMS.tell(lambda: {(): desk.broadcast.listeners})


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request; `route` is a template, so that there are few of them."""
    key = (method, route, status)
    found = _children.get(key)
    if found is None:
        found = _children[key] = serving.REQUESTS.labels(*key), serving.REQUEST_SECONDS.labels(route)
    found[0].inc()
    found[1].observe(seconds)


def _row_age(desk: Desk, row: FeatureRow) -> float:
    known = row.made_at if row.simulated or row.replayed else row.as_of
    return max(0.0, (desk.now() - known).total_seconds())


def _model_ages(desk: Desk) -> Values:
    now = desk.now()
    return {
        (ticker, kind): max(0.0, (now - model.event.at).total_seconds())
        for ticker in desk.models.tickers
        for kind, model in desk.models.of(ticker).items()
    }


def _models(desk: Desk) -> Values:
    return Tally(
        (kind, model.event.verdict) for ticker in desk.models.tickers for kind, model in desk.models.of(ticker).items()
    )


class Measured:
    """Counts requests by route and status; a route is its template, so that addresses cannot fill the memory.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                count_request(method, route, message["status"], time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, noted)
