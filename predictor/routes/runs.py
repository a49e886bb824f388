"""Runs and training: what is going on, and the wish for more of it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from predictor.desk import Desk
from predictor.problems import ProblemError
from predictor.routes.reading import body_of, parsed, problems, read_bytes
from predictor.runs import RunView, TrainingView
from shared.contracts.facts import Name
from shared.contracts.topics import START_MODEL
from shared.contracts.training import ModelKind, StartModel
from shared.errors import TickerstreamError
from shared.ports import Outgoing, Position

FLUSH_SECONDS = 10.0
TRAINING_EXAMPLE = {"tickers": ["SIM.ALFA"], "kinds": ["regression_gb"], "reason": "a look by hand"}


class RunsView(BaseModel):
    """Runs of producers, newest first, and the newest training with its jobs."""

    runs: list[RunView]
    training: TrainingView


class TrainingRequest(BaseModel, extra="forbid"):
    """What to train; every field is optional, as in a `start_model` by hand."""

    tickers: tuple[Name, ...] | None = Field(None, min_length=1, max_length=10_000, description="all active ones")
    kinds: tuple[ModelKind, ...] | None = Field(None, min_length=1, description="all kinds where not given")
    reason: str | None = Field(None, max_length=1000)


class Filed(BaseModel):
    """The request is in Kafka; `train` files its jobs. Follow them at `jobs`."""

    topic: str
    partition: int
    offset: int
    jobs: str = "/v1/runs"


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["runs and training"])

    @routes.get("/v1/runs", summary="Runs, and training jobs as they progress")
    def runs(limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> RunsView:
        """Return runs from Kafka; jobs are PostgreSQL's, `training.reachable` says whether it answers."""
        return RunsView(runs=desk.books.runs.newest(limit), training=desk.stores.training.seen)

    @routes.post(
        "/v1/training",
        status_code=202,
        summary="Ask for training",
        responses=problems(413, 415, 422, 503),
        openapi_extra=body_of(TrainingRequest, TRAINING_EXAMPLE),
    )
    async def training(request: Request) -> Filed:
        """File a `start_model`: 202 once Kafka has acknowledged it."""
        wish = parsed(TrainingRequest, await read_bytes(request, desk.settings.predictor_max_body_mib * 1024 * 1024))
        message = StartModel(
            tickers=wish.tickers,
            kinds=wish.kinds,
            reason=wish.reason or "asked for over HTTP",
            requested_at=desk.now(),
        )
        at = await run_in_threadpool(partial(_file, desk, message))
        return Filed(topic=at.topic, partition=at.partition, offset=at.offset)

    return routes


def _file(desk: Desk, message: StartModel) -> Position:
    """Send the message and return where it lies, durable."""
    delivered: list[Position] = []
    record = Outgoing(START_MODEL.name, None, message.encode(), {"schema": START_MODEL.schema.encode()})
    try:
        desk.wishes.send(record, delivered.append)
        desk.wishes.flush(FLUSH_SECONDS)
    except TickerstreamError as error:
        detail = f"{error} The request may still arrive: look at /v1/runs before asking again."
        raise ProblemError(503, "no-kafka", "Kafka does not answer", detail) from error
    return delivered[0]
