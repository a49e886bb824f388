"""The `runs` topic: what a backfill is going to send, what is confirmed, and what was given up."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.contracts.messages import Instant, Message, refuse_nul
from shared.errors import PoisonMessageError


class RunDeclared(Message):
    """A run begins (or begins again: `attempt` counts): these topics take part in it."""

    event: Literal["declared"] = "declared"
    run_id: str = Field(min_length=1)
    run_set: str = Field(min_length=1, description="source and tickers: a newer run of the same set releases this one")
    topics: tuple[str, ...] = Field(min_length=1)
    source: str
    simulated: bool
    attempt: int = Field(ge=1)
    settings: dict[str, Any] = Field(default_factory=dict, description="what the run id is the hash of, for people")
    at: Instant


class PartitionCount(Message):
    """What a run put on one partition: the next offset after its last record, records and rows, all attempts."""

    partition: int
    next_offset: int
    records: int
    rows: int


class TopicConfirmed(Message):
    """Every delivery of the run to this topic is confirmed by the broker."""

    event: Literal["confirmed"] = "confirmed"
    run_id: str = Field(min_length=1)
    topic: str
    attempt: int = Field(ge=1)
    partitions: tuple[PartitionCount, ...]
    rejected: int = Field(0, description="rows that went to the dead letters instead")
    duplicates: int = Field(0, description="rows of the source that were exact repetitions")
    at: Instant


class RunAborted(Message):
    """A person, or a newer run of the same set, gave the run up: nothing waits for it any more."""

    event: Literal["aborted"] = "aborted"
    run_id: str = Field(min_length=1)
    reason: str
    at: Instant


RunEvent = Annotated[RunDeclared | TopicConfirmed | RunAborted, Field(discriminator="event")]
_EVENT: TypeAdapter[RunDeclared | TopicConfirmed | RunAborted] = TypeAdapter(RunEvent)


def decode_run_event(value: bytes | None) -> RunDeclared | TopicConfirmed | RunAborted:
    """Return the event in `value`.

    Raises:
        PoisonMessageError: not one of the three events.
    """
    refuse_nul(value or b"")
    try:
        return _EVENT.validate_json(value or b"")
    except ValidationError as error:
        raise PoisonMessageError(f"not a run event: {error.errors()[0]['msg']}", "bad_message") from error


def run_id_of(source: str, settings: dict[str, Any]) -> str:
    """Return the run id: source and the first 16 hex digits of the SHA-256 of the settings as canonical JSON."""
    canonical = json.dumps({"source": source, **settings}, sort_keys=True, default=str, separators=(",", ":"))
    return f"{source}-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
