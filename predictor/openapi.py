"""What FastAPI leaves out of OpenAPI: schemas that only bodies refer to, and examples with nulls in them."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.config import JsonDict

from predictor import examples, examples_of_work
from predictor.caller import CallerBar
from predictor.problems import ProblemDocument
from predictor.routes.health import Alive, Readiness
from predictor.routes.inference import Indexed, InferenceModelView, InferResponse, InferTensor, Ready, ServerView
from predictor.routes.models import DeploymentsView
from predictor.routes.predictions import PredictionHistory, PredictionList
from predictor.routes.runs import Filed, RunsView
from predictor.routes.tickers import TickerList
from predictor.views import CallerPrediction, ModelsView, ServedPrediction

EXAMPLES: Final[Mapping[type[BaseModel], JsonDict]] = {
    TickerList: examples.TICKERS,
    ServedPrediction: examples.SERVED,
    PredictionList: examples.SEVERAL,
    PredictionHistory: examples.HISTORY,
    CallerPrediction: examples.CALLERS,
    ModelsView: examples.MODELS,
    DeploymentsView: examples.DEPLOYMENTS,
    RunsView: examples_of_work.RUNS,
    Filed: examples_of_work.FILED,
    Alive: examples_of_work.ALIVE,
    Readiness: examples_of_work.READINESS,
    ServerView: examples_of_work.SERVER,
    Ready: examples_of_work.MODEL_READY,
    Indexed: examples_of_work.INDEXED,
    InferenceModelView: examples_of_work.METADATA,
    InferResponse: examples_of_work.INFERRED,
}
"""What each model of an answer looks like; a test holds that the model takes it."""


def document(app: FastAPI) -> None:
    """Add to the OpenAPI of `app` what it lacks."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(made().setdefault("components", {}).setdefault("schemas", {}))
        return made()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schemas: dict[str, Any]) -> None:
    for model in (ProblemDocument, CallerBar, InferTensor):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas.setdefault(model.__name__, schema)
    for shown, example in EXAMPLES.items():
        schemas[shown.__name__]["examples"] = [example]
