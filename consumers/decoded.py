"""What a record is once it is decoded: parts of lake objects, and rows that are refused."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from shared.contracts.fact_frames import Row
from shared.errors import PoisonMessageError
from shared.ports import Record
from shared.runtime.loops import RejectedRows


@dataclass(frozen=True, slots=True)
class Part:
    """What a record adds to one object.

    Attributes:
        name: The object's.
        content: Versions with the message's columns and `ingested_at`: a frame, or one row.
        weight: Memory that it takes, in bars (150 bytes).
    """

    name: str
    content: pl.DataFrame | Row
    weight: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record's rows, by object, and the refused ones."""

    parts: tuple[Part, ...]
    rows: int
    rejected: tuple[RejectedRows, ...] = ()


Decoder = Callable[[Record], Decoded]
"""Decodes one record of a topic; raises PoisonMessageError for one that can never be decoded."""


def check_key(record: Record, field: str, name: str) -> None:
    """Let a record pass whose key is `name`.

    Raises:
        PoisonMessageError: it is not, so the record may lie on the wrong partition.
    """
    if record.key != name.encode():
        shown = "none" if record.key is None else repr(record.key[:64].decode(errors="replace"))
        raise PoisonMessageError(f"key and {field} disagree: the key is {shown}, the {field} is {name!r}", "wrong_key")
