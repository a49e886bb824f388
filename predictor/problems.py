"""Errors as problem documents (RFC 9457): what happened, why, and what to do."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
_log = logging.getLogger(__name__)
_MOST_FAULTS: Final = 20
_TITLES: Final = {
    400: ("bad-request", "The request cannot be read"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This address has no such method"),
    413: ("too-large", "The body is too large"),
    415: ("not-json", "The body is not JSON"),
    422: ("invalid", "The request is not of the right form"),
}


class ProblemDocument(BaseModel):
    """An error as RFC 9457 has it; further members depend on `type`."""

    type: str = Field(examples=["urn:tickerstream:problem:no-model"])
    title: str = Field(examples=["No model serves this ticker"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["AAPL: no model serves this ticker yet. Train one: POST /v1/training."])
    instance: str | None = Field(None, examples=["/v1/predictions/AAPL"])
    missing: list[str] | None = Field(None, description="409: what would have to be there", examples=[["models"]])
    errors: list[dict[str, str]] | None = Field(None, description="422: each fault, and where it is")


class ProblemError(Exception):
    """Ends a request with a problem document.

    Args:
        status: HTTP status.
        name: Stable short name, the end of `type`.
        title: One line that is the same for every problem of this name.
        detail: What happened here, why, and what to do.
        more: Further members.
    """

    def __init__(self, status: int, name: str, title: str, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.more = dict(more or {})

    def document(self, instance: str | None = None) -> dict[str, Any]:
        """Return the problem as JSON has it."""
        document = {
            "type": f"urn:tickerstream:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return document if instance is None else {**document, "instance": instance}


def invalid(error: ValidationError | RequestValidationError) -> ProblemError:
    """Return the 422 that names each fault and where it is, without repeating what was sent."""
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"])[:200], "what": str(fault["msg"])[:300]}
        for fault in error.errors()[:_MOST_FAULTS]
    ]
    name, title = _TITLES[422]
    first = faults[0] if faults else {"where": "request", "what": "not understood"}
    return ProblemError(422, name, title, f"{first['where']}: {first['what']}", {"errors": faults})


def respond(problem: ProblemError, request: Request) -> Response:
    """Return the response that a problem is."""
    text = json.dumps(problem.document(request.url.path))
    headers = {"Retry-After": "5"} if problem.status == 503 else None
    return Response(text.encode("utf-8", "replace"), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> Response:
        return respond(error, request)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return respond(invalid(error), request)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        name, title = _TITLES.get(error.status_code, ("http", "The request failed"))
        response = respond(ProblemError(error.status_code, name, title, str(error.detail)), request)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def on_defect(request: Request, error: Exception) -> Response:
        _log.error("a defect at %s", request.url.path, exc_info=error)
        problem = ProblemError(
            500, "defect", "A defect of ours", "The predictor failed; its log says where. Report it."
        )
        return respond(problem, request)
