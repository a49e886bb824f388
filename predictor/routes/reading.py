"""What routes share in reading requests: names of tickers, bodies of bounded size, and the documented problems."""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from predictor.problems import MEDIA_TYPE, ProblemDocument, ProblemError, invalid
from shared.contracts.bars import NAME_PATTERN
from shared.contracts.messages import refuse_nul
from shared.errors import PoisonMessageError

NAME: Final = re.compile(NAME_PATTERN)
MOST_TICKERS: Final = 1000
M = TypeVar("M", bound=BaseModel)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the problems that a route may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


_MEANINGS: Final = {
    404: "Nothing is known of it",
    409: "Something is missing; `missing` says what",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "Not of the right form; `errors` names each fault",
    503: "Something that this needs does not answer now; ask again",
}


def body_of(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a JSON body that `read_body` reads."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


async def read_bytes(request: Request, most: int) -> bytes:
    """Return the body.

    Raises:
        ProblemError: it is not declared as JSON (415), or has more than `most` bytes (413).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        text = f"Content-Type is {kind[:60] or 'missing'}; send application/json."
        raise ProblemError(415, "not-json", "The body is not JSON", text)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            text = f"More than {most:,} bytes. Send less, or raise PREDICTOR_MAX_BODY_MIB."
            raise ProblemError(413, "too-large", "The body is too large", text)
        parts.append(part)
    return b"".join(parts)


def parsed(model: type[M], body: bytes) -> M:
    """Return the body as a message.

    Raises:
        ProblemError: 422, it is not JSON, not of this shape, or holds what cannot be stored.
    """
    try:
        refuse_nul(body)
        return model.model_validate_json(body)
    except PoisonMessageError as error:
        raise unfit(error.reason) from error
    except ValidationError as error:
        raise invalid(error) from error


def ticker_list(text: str | None) -> list[str]:
    """Return the tickers of `A,B`, each once, in order.

    Raises:
        ProblemError: 422, one of them cannot be a ticker, or they are too many.
    """
    names = list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    if len(names) > MOST_TICKERS:
        raise unfit(f"tickers: {len(names):,} of them, at most {MOST_TICKERS:,}")
    check_names(names)
    return names


def check_names(names: Sequence[str]) -> None:
    """Let names pass that can be tickers.

    Raises:
        ProblemError: 422, one cannot.
    """
    for name in names:
        if not NAME.fullmatch(name):
            raise unfit(f"{name[:64]!r} is not a ticker: letters, digits and ._=- after a capital or digit, 32 at most")


def unfit(detail: str, more: dict[str, Any] | None = None) -> ProblemError:
    """Return the 422 of a request that is not of the right form."""
    return ProblemError(422, "invalid", "The request is not of the right form", detail, more)
