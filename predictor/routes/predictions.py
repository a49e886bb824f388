"""Predictions: the newest, several at once, as of an instant, and the last few with the closes they came from."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from predictor.answers import Shown
from predictor.desk import Desk
from predictor.history import history_of
from predictor.problems import ProblemError
from predictor.routes.reading import check_names, problems, ticker_list, unfit
from predictor.views import ServedPrediction
from shared.contracts.messages import Instant
from shared.contracts.predictions import Prediction
from shared.errors import TickerstreamError

JSON = "application/json"


class PredictionList(BaseModel):
    """Newest predictions, and for each ticker that has none the problem document that says why."""

    predictions: list[ServedPrediction]
    problems: list[dict[str, Any]]


class ClosePoint(BaseModel):
    """A raw close at its bar's start."""

    timestamp: Instant
    close: float


class PredictionHistory(BaseModel):
    """The last closes and answers of a ticker, oldest first.

    `complete` is false where memory has fewer than were asked for and PostgreSQL does not answer.
    """

    ticker: str
    complete: bool
    closes: list[ClosePoint]
    predictions: list[Prediction]


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["predictions"])
    _add_one(routes, desk)
    _add_several(routes, desk)
    _add_history(routes, desk)
    return routes


def _add_one(routes: APIRouter, desk: Desk) -> None:
    """Add the prediction of one ticker."""
    newest = desk.answers.newest

    @routes.get(
        "/v1/predictions/{ticker}",
        summary="The newest prediction of a ticker",
        response_model=ServedPrediction,
        responses=problems(404, 409, 422, 503),
    )
    async def prediction(
        ticker: Annotated[str, Path(examples=["SIM.ALFA"])],
        as_of: Annotated[Instant | None, Query(description="the answer to the newest row known then")] = None,
    ) -> Response:
        """Answer from memory; `as_of` goes back as far as memory does, further where PostgreSQL keeps the ledger."""
        if as_of is not None:
            return await _as_of(desk, ticker, as_of)
        shown = newest.get(ticker)
        if shown is None:
            raise desk.refuse(ticker)
        return Response(shown.body(time.time()), media_type=JSON)


def _add_several(routes: APIRouter, desk: Desk) -> None:
    """Add the newest predictions of several tickers."""
    newest = desk.answers.newest

    @routes.get(
        "/v1/predictions",
        summary="The newest predictions of several tickers",
        response_model=PredictionList,
        responses=problems(422, 503),
    )
    async def predictions(
        tickers: Annotated[
            str | None, Query(description="`A,B`; all where not given", examples=["SIM.ALFA,SIM.BRAVO"])
        ] = None,
    ) -> Response:
        names = ticker_list(tickers) if tickers is not None else desk.tickers
        found = [shown for name in names if (shown := newest.get(name)) is not None]
        lacking = [desk.refuse(name).document(f"/v1/predictions/{name}") for name in names if name not in newest]
        return _list(found, lacking)


def _add_history(routes: APIRouter, desk: Desk) -> None:
    """Add the last closes and predictions of a ticker."""

    @routes.get(
        "/v1/predictions/{ticker}/history",
        summary="The last closes and predictions of a ticker",
        response_model=PredictionHistory,
        responses=problems(404, 422, 503),
    )
    async def history(ticker: str, limit: Annotated[int, Query(ge=1, le=100_000)] = 240) -> Response:
        check_names([ticker])
        if not desk.knows(ticker):
            raise desk.refuse(ticker)
        found = await run_in_threadpool(history_of, desk.answers, desk.stores.past, ticker, limit)
        closes = [ClosePoint(timestamp=one.timestamp, close=one.close) for one in found.closes]
        head = PredictionHistory(ticker=ticker, closes=closes, complete=found.complete, predictions=[])
        text = head.model_dump_json(exclude={"predictions"}).encode()
        return Response(b'%s,"predictions":[%s]}' % (text[:-1], b",".join(found.answers)), media_type=JSON)


def _list(found: list[Shown], lacking: list[dict[str, Any]]) -> Response:
    now = time.time()
    text = PredictionList(predictions=[], problems=lacking).model_dump_json(include={"problems"})
    bodies = b",".join(shown.body(now) for shown in found)
    return Response(b'{"predictions":[%s],%s' % (bodies, text[1:].encode()), media_type=JSON)


async def _as_of(desk: Desk, ticker: str, as_of: Instant) -> Response:
    """Return the answer to the newest row as of `as_of`: from memory, else from the ledger."""
    check_names([ticker])
    if as_of > desk.now():
        raise unfit(f"as_of {as_of:%Y-%m-%dT%H:%M:%SZ} is in the future")
    shown = desk.answers.at(ticker, as_of)
    if shown is not None:
        return Response(shown.body(time.time()), media_type=JSON)
    try:
        found = await run_in_threadpool(desk.stores.past.ledger.at, ticker, as_of)
    except TickerstreamError as error:
        detail = f"Memory does not go back to then, and the ledger does not answer: {error}"
        raise ProblemError(503, "no-ledger", "The ledger does not answer", detail) from error
    if found is None:
        if not desk.knows(ticker):
            raise desk.refuse(ticker)
        detail = (
            f"{ticker}: neither memory nor the ledger holds a prediction as of {as_of:%Y-%m-%dT%H:%M:%SZ} or before."
        )
        raise ProblemError(404, "no-prediction", "There was no prediction then", detail)
    return Response(Shown.of(found, found.as_of).body(time.time()), media_type=JSON)
