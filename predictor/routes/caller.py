"""Predictions from bars that the caller brings."""

from functools import partial
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request

from predictor.answering import NoAnswerError
from predictor.answers import Silence
from predictor.caller import CallerRequest, UnusableBarsError, answer_caller
from predictor.desk import Desk, missing
from predictor.routes.reading import body_of, parsed, problems, read_bytes, unfit
from predictor.views import CallerPrediction
from shared.errors import ContractError

EXAMPLE: Final[dict[str, Any]] = {
    "ticker": "SIM.ALFA",
    "bars": [
        {"timestamp": "2026-01-05T15:00Z", "open": 101.2, "high": 101.3, "low": 101.1, "close": 101.25, "volume": 900},
        {"timestamp": "2026-01-05T15:01Z", "open": 101.3, "high": 101.4, "low": 101.2, "close": 101.3, "volume": 700},
    ],
}
AT_ONCE: Final = 2


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["predictions"])
    limiter: list[anyio.CapacityLimiter] = []

    @routes.post(
        "/v1/predictions",
        summary="A prediction from bars that you bring",
        responses=problems(404, 409, 413, 415, 422, 503),
        openapi_extra=body_of(CallerRequest, EXAMPLE),
    )
    async def from_bars(request: Request) -> CallerPrediction:
        """Answer by the ticker's models. It is not published, and no score counts it."""
        body = await read_bytes(request, desk.settings.predictor_max_body_mib * 1024 * 1024)
        limiter.extend([anyio.CapacityLimiter(AT_ONCE)] if not limiter else [])
        return await anyio.to_thread.run_sync(partial(_answer, desk, body), limiter=limiter[0])

    return routes


def _answer(desk: Desk, body: bytes) -> CallerPrediction:
    request = parsed(CallerRequest, body)
    models = list(desk.models.of(request.ticker).values())
    if not models:
        raise desk.refuse(request.ticker)
    try:
        return answer_caller(request, models, desk.now())
    except UnusableBarsError as error:
        faults = [{"where": "bars", "what": fault} for fault in error.faults]
        raise unfit(str(error), {"errors": faults}) from error
    except NoAnswerError as error:
        raise missing(request.ticker, Silence(str(error), error.missing)) from error
    except (ContractError, ValueError) as error:
        raise unfit(f"bars: {error}") from error
