"""What the JSON messages share: strict models, aware UTC times, encoding, and decoding that says what is wrong."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from shared.errors import PoisonMessageError


def _aware_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time is out of range") from None


# An escaped NUL in a JSON text; after a backslash that is escaped itself, `\\u0000` are six plain characters.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Instant = Annotated[datetime, AfterValidator(_aware_utc)]
"""An aware instant, turned to UTC, microseconds."""


def refuse_nul(value: bytes) -> None:
    """Refuse JSON with a character U+0000 in it: PostgreSQL and MongoDB's keys cannot hold one.

    Raises:
        PoisonMessageError: there is one.
    """
    if _NUL.search(value):
        raise PoisonMessageError("a text holds the character U+0000, which cannot be stored", "bad_message")


class Message(BaseModel):
    """Base of every JSON message: frozen; unknown fields are ignored, so additive change keeps old readers."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    def encode(self) -> bytes:
        """Return the message as UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Return the message in `value`.

        Raises:
            PoisonMessageError: not JSON, or not of this shape; the reason names the first faulty field.
        """
        if not value:
            raise PoisonMessageError("the value is empty", "empty_value")
        refuse_nul(value)
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "message"
            kind = "bad_json" if first["type"] == "json_invalid" else "bad_message"
            raise PoisonMessageError(f"{where}: {first['msg']}", kind) from error
