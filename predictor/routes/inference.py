"""The Open Inference Protocol, version 2: a model alone, on feature rows that the caller brings."""

from functools import partial
from typing import Any, Final

import anyio
import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from predictor.answering import ServingModel
from predictor.desk import Desk
from predictor.problems import ProblemError
from predictor.routes.reading import body_of, parsed, problems, read_bytes, unfit

MOST_ROWS: Final = 10_000
EXAMPLE: Final[dict[str, Any]] = {
    "inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0.1, None, -2.0]}]
}
Number = float | None


class InferTensor(BaseModel):
    """A tensor; `data` is flat or nested, null where a feature has no value."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str
    data: list[Number] | list[list[Number]]


class InferRequest(BaseModel):
    """Rows of features in the order of the model's metadata."""

    id: str | None = Field(None, max_length=200)
    inputs: list[InferTensor] = Field(min_length=1, max_length=1)


class InferResponse(BaseModel):
    """One answer a row."""

    model_name: str
    model_version: str
    id: str | None
    outputs: list[InferTensor]


class ServerView(BaseModel):
    """The server's metadata."""

    name: str = "tickerstream-predictor"
    version: str = "2"
    extensions: list[str] = ["model_repository"]


class TensorView(BaseModel):
    """What a tensor looks like; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class InferenceModelView(BaseModel):
    """A model's metadata. `parameters.features` names the columns, `verdict` says whether to believe it."""

    name: str
    versions: list[str]
    platform: str = "onnxruntime"
    inputs: list[TensorView]
    outputs: list[TensorView]
    parameters: dict[str, Any]


class Indexed(BaseModel):
    """A model of the repository."""

    name: str
    version: str
    state: str
    reason: str = ""


class Ready(BaseModel):
    """Whether it answers."""

    name: str | None = None
    ready: bool


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol"])
    _add_server(routes, desk)
    _add_models(routes, desk)
    return routes


def _add_server(routes: APIRouter, desk: Desk) -> None:
    """Add what is asked of the server as a whole."""

    @routes.get("", summary="The server")
    async def server() -> ServerView:
        return ServerView()

    @routes.get("/health/live", summary="Whether the server lives")
    async def live() -> Ready:
        return Ready(ready=True)

    @routes.get("/health/ready", summary="Whether the server is ready", responses=problems(503))
    async def ready() -> Ready:
        if not desk.health.ready:
            raise desk.refuse("")
        return Ready(ready=True)

    @routes.post("/repository/index", summary="Every model")
    async def index() -> list[Indexed]:
        return _index(desk)


def _add_models(routes: APIRouter, desk: Desk) -> None:
    """Add what is asked of one model."""

    @routes.get("/models/{name}", summary="A model", responses=problems(404))
    async def metadata(name: str) -> InferenceModelView:
        """Return a model's metadata; its name is `{ticker}.{kind}`."""
        return _metadata(name, _find(desk, name))

    @routes.get("/models/{name}/ready", summary="Whether a model answers", responses=problems(404))
    async def model_ready(name: str) -> Ready:
        return Ready(name=name, ready=_find(desk, name) is not None)

    @routes.post(
        "/models/{name}/infer",
        summary="Ask a model",
        responses=problems(404, 413, 415, 422),
        openapi_extra=body_of(InferRequest, EXAMPLE),
    )
    async def infer(name: str, request: Request) -> InferResponse:
        body = await read_bytes(request, desk.settings.predictor_max_body_mib * 1024 * 1024)
        return await anyio.to_thread.run_sync(partial(_infer, name, _find(desk, name), body))


def _find(desk: Desk, name: str) -> ServingModel:
    ticker, _, kind = name.rpartition(".")
    for model in desk.models.of(ticker).values():
        if model.event.kind == kind:
            return model
    detail = f"{name[:100]}: no such model serves. A name is ticker.kind; POST /v2/repository/index lists all."
    raise ProblemError(404, "unknown-model", "No such model serves", detail)


def _index(desk: Desk) -> list[Indexed]:
    serving = [model.event for ticker in desk.models.tickers for model in desk.models.of(ticker).values()]
    found = [Indexed(name=f"{one.ticker}.{one.kind}", version=str(one.version), state="READY") for one in serving]
    failed = [(alert.event, alert.reason) for alert in desk.models.alerts()]
    return found + [
        Indexed(name=f"{one.ticker}.{one.kind}", version=str(one.version), state="UNAVAILABLE", reason=reason)
        for one, reason in failed
    ]


def _metadata(name: str, model: ServingModel) -> InferenceModelView:
    manifest = model.bundle.manifest
    return InferenceModelView(
        name=name,
        versions=[str(model.event.version)],
        inputs=[TensorView(name="features", datatype="FP32", shape=[-1, len(manifest.features)])],
        outputs=[TensorView(name="answer", datatype="FP64", shape=[-1])],
        parameters={"features": list(manifest.features), "task": manifest.task, "verdict": model.event.verdict},
    )


def _infer(name: str, model: ServingModel, body: bytes) -> InferResponse:
    request = parsed(InferRequest, body)
    answers = model.bundle.predict(_matrix(request.inputs[0], len(model.bundle.manifest.features)))
    data: list[Number] = [float(answer) for answer in answers]
    output = InferTensor(name="answer", shape=[len(data)], datatype="FP64", data=data)
    return InferResponse(model_name=name, model_version=str(model.event.version), id=request.id, outputs=[output])


def _matrix(tensor: InferTensor, columns: int) -> NDArray[np.float32]:
    """Return the rows of a tensor, NaN for null.

    Raises:
        ProblemError: 422, it is of another type or shape than the model's input.
    """
    if tensor.datatype not in ("FP32", "FP64"):
        raise unfit(f"inputs.0.datatype: {tensor.datatype[:20]}; send FP32")
    flat: list[Number] = []
    for part in tensor.data:
        flat.extend(part if isinstance(part, list) else [part])
    rows = len(flat) // columns
    if tensor.shape != [rows, columns] or len(flat) != rows * columns or not 1 <= rows <= MOST_ROWS:
        text = f"{len(flat)} numbers in shape {tensor.shape}; the model takes [n, {columns}], n up to {MOST_ROWS:,}"
        raise unfit(f"inputs.0.shape: {text}")
    with np.errstate(over="ignore"):
        matrix = np.array([np.nan if value is None else value for value in flat], np.float64).astype(np.float32)
    if np.isinf(matrix).any():
        raise unfit("inputs.0.data: a number is beyond 32-bit floats")
    return matrix.reshape(rows, columns)
