"""The HTTP application: routes around a desk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from predictor.desk import Desk
from predictor.fastlane import NewestFirst
from predictor.metrics import Measured
from predictor.openapi import document
from predictor.problems import install
from predictor.routes import caller, health, inference, models, page, predictions, runs, stream, tickers

DESCRIPTION: Final = """Per-ticker predictions of the next minutes, each beside a naive baseline.

A **verdict** compares a model with its baseline out of sample: `skill`, `no skill`, `worse` or `insufficient`. Where no
model has skill the answer leads with the baseline. Simulated and replayed data are marked. Errors are problem
documents (RFC 9457, `application/problem+json`).
"""


def create_app(desk: Desk) -> FastAPI:
    """Return the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.broadcast.open()
        yield
        desk.broadcast.close()

    app = FastAPIOffline(
        title="Tickerstream predictor",
        description=DESCRIPTION,
        version=_version(),
        lifespan=lifespan,
        redoc_url=None,
        static_url="/docs/static",
        favicon_url="/static/icon.svg",
    )
    install(app)
    for module in (tickers, predictions, caller, stream, models, runs, inference, health):
        app.include_router(module.router(desk))
    page.install(app)
    document(app)
    return app


def measured(app: FastAPI, desk: Desk) -> ASGIApp:
    """Return the application with its fast lane and its requests counted."""
    return Measured(NewestFirst(app, desk.answers))


def _version() -> str:
    try:
        return version("tickerstream")
    except PackageNotFoundError:
        return "0"
