"""Models that serve, with their evaluation; and those that served at an instant, as the registry tells."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from predictor.desk import Desk
from predictor.problems import ProblemError
from predictor.routes.reading import check_names, problems
from predictor.views import DeploymentView, ModelsView, alert_view, model_view
from shared.contracts.messages import Instant
from shared.errors import TickerstreamError
from shared.storage.models import Deployment


class DeploymentsView(BaseModel):
    """The models that were in force at an instant."""

    ticker: str
    at: Instant
    deployments: list[DeploymentView]


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])

    @routes.get("/v1/models", summary="Every model that serves")
    def models() -> ModelsView:
        """Return the models with their scores beside the baselines', and deployments that could not take effect."""
        return _models(desk, desk.models.tickers, None)

    @routes.get("/v1/models/{ticker}", summary="The models of a ticker", responses=problems(404, 409, 422, 503))
    async def models_of(
        ticker: str, at: Annotated[Instant | None, Query(description="those in force then")] = None
    ) -> ModelsView | DeploymentsView:
        """Return the models that serve; with `at`, the deployments in force then, which PostgreSQL keeps."""
        check_names([ticker])
        if at is not None:
            return DeploymentsView(ticker=ticker, at=at, deployments=await _in_force(desk, ticker, at))
        if not desk.models.of(ticker) and not desk.models.alerts(ticker):
            raise desk.refuse(ticker)
        return _models(desk, [ticker], ticker)

    return routes


def _models(desk: Desk, tickers: list[str], only: str | None) -> ModelsView:
    serving = [model for ticker in tickers for model in desk.models.of(ticker).values()]
    ordered = sorted(serving, key=lambda model: (model.event.ticker, model.event.kind))
    return ModelsView(
        models=[model_view(model) for model in ordered],
        alerts=[alert_view(alert) for alert in desk.models.alerts(only)],
    )


async def _in_force(desk: Desk, ticker: str, at: Instant) -> list[DeploymentView]:
    try:
        history = await run_in_threadpool(desk.stores.registry.history, ticker)
    except TickerstreamError as error:
        raise ProblemError(503, "no-registry", "The registry does not answer", str(error)) from error
    newest: dict[str, Deployment] = {one.model.kind: one for one in history if one.at <= at}  # oldest first
    in_force = [one for one in newest.values() if one.event != "retired"]
    if not in_force:
        detail = f"{ticker}: no model was in force at {at:%Y-%m-%dT%H:%M:%SZ}."
        raise ProblemError(404, "no-model-then", "No model was in force then", detail)
    return [
        DeploymentView(
            ticker=one.model.ticker,
            kind=one.model.kind,
            model_id=one.model.model_id,
            version=one.model.version,
            digest=one.model.digest,
            sequence=one.sequence,
            event=one.event,
            verdict=one.verdict,
            at=one.at,
        )
        for one in in_force
    ]
