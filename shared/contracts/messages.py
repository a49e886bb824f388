"""What the JSON messages share: strict models, aware UTC times, encoding, and decoding that says what is wrong."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from shared.errors import PoisonMessageError


def _aware_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a time needs a zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time is out of range") from None


Instant = Annotated[datetime, AfterValidator(_aware_utc)]
"""An aware instant, turned to UTC, microseconds."""


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
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "message"
            kind = "bad_json" if first["type"] == "json_invalid" else "bad_message"
            raise PoisonMessageError(f"{where}: {first['msg']}", kind) from error
