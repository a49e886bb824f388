"""The event stream: predictions, models, runs and jobs as they change."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from predictor.desk import Desk
from predictor.problems import ProblemError
from predictor.routes.reading import problems, ticker_list

MEDIA_TYPE: Final = "text/event-stream"
EXAMPLE: Final = 'event: prediction\ndata: {"id": "9b1e3c5d7f90a1b2c3d4e5f60718293a", "ticker": "SIM.ALFA"}\n\n'
DESCRIPTION: Final = """Server-sent events; `data` is JSON on one line.

- `prediction`: as GET /v1/predictions/{ticker}
- `model`: as GET /v1/models/{ticker}
- `run`: one of GET /v1/runs
- `job`: one ticker of GET /v1/runs `training.tickers`

A client that is too slow is disconnected; it comes back and asks for the state again.
"""


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["predictions"])

    @routes.get(
        "/v1/stream",
        summary="What changes, as it changes",
        description=DESCRIPTION,
        response_class=StreamingResponse,
        responses={200: {"content": {MEDIA_TYPE: {"example": EXAMPLE}}}, **problems(422, 503)},
    )
    async def stream(
        tickers: Annotated[str | None, Query(description="`A,B`; all where not given")] = None,
    ) -> StreamingResponse:
        names = ticker_list(tickers)
        if desk.broadcast.listeners >= desk.settings.predictor_streams:
            detail = f"{desk.settings.predictor_streams} streams are open (PREDICTOR_STREAMS). Close one, or ask later."
            raise ProblemError(503, "too-many-streams", "Too many event streams are open", detail)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(desk.broadcast.listen(frozenset(names)), headers=headers, media_type=MEDIA_TYPE)

    return routes
