"""What one transaction's feature rows were made from, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.storage.offsets import SourcePartition

BatchKind = Literal["stream", "remake", "rebuild"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction's rows were made from.

    Attributes:
        source: The partition that was read; for a remake or rebuild the bars' partition whose epoch covers it.
        first_offset: First offset of it that took part.
        next_offset: The offset after the last one; equal to `first_offset` where no record was read.
        epoch: Epoch of the owner.
        made_at: When, aware, UTC; the rows' `made_at` too.
        kind: Why.
        applied: Next offsets of all other inputs as they were applied when the rows were stored, whoever read them:
            topic -> partition -> offset.
    """

    source: SourcePartition
    first_offset: int
    next_offset: int
    epoch: int
    made_at: datetime
    kind: BatchKind = "stream"
    applied: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose lineage row is written (in this transaction): rows may be appended under its id."""

    batch_id: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a frame's rows.

    Attributes:
        added: Rows of bars that had none: revision 1.
        revised: Rows whose values differ from their newest revision: a further revision; the older is superseded.
        unchanged: Rows that are equal to their newest revision.
        outdated: Rows whose `as_of` is before that of their newest revision: less knowledge never replaces more.
    """

    added: int
    revised: int
    unchanged: int
    outdated: int
