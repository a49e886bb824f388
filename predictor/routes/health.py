"""How the predictor is, for supervisors and for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from pydantic import BaseModel

from predictor.desk import Desk
from predictor.routes.reading import problems


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether answers count, and what is in the way."""

    ready: bool
    restored: dict[str, bool]
    troubles: dict[str, str]
    tickers: int
    models: int
    alerts: int


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health/live", summary="Whether the process answers")
    async def live() -> Alive:
        return Alive()

    @routes.get("/health/ready", summary="Whether answers count", responses=problems(503))
    async def ready(response: Response) -> Readiness:
        """Return 200 once the topics are read in; `troubles` tells what Kafka's client says since."""
        response.status_code = 200 if desk.health.ready else 503
        return Readiness(
            ready=desk.health.ready,
            restored=dict(desk.health.restored),
            troubles={topic: text for topic, text in desk.health.troubles().items() if text},
            tickers=len(desk.answers.rows),
            models=desk.models.serving_count,
            alerts=len(desk.models.alerts()),
        )

    @routes.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return routes
