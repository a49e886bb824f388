"""The tickers that are known, each with its newest answer or with what is missing for one."""

from fastapi import APIRouter
from pydantic import BaseModel

from predictor.desk import Desk
from predictor.views import TickerView


class TickerList(BaseModel):
    """Every ticker that features or models are known of, by name."""

    tickers: list[TickerView]


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["tickers"])

    @routes.get("/v1/tickers", summary="Every ticker that is known")
    def tickers() -> TickerList:
        """Return each ticker's newest answer, its models' verdicts, and what is planted where it is simulated."""
        desk.books.truth.refresh()
        return TickerList(tickers=[desk.ticker(name) for name in desk.tickers])

    return routes
