"""The bars in the topics, as far as the lake must have them, and as far as it may."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cli.verify.bar_tables import VALUES, HashedBars, hashed, instants, whole_minutes
from cli.verify.refusals import Refusals
from cli.verify.source_files import is_bar
from cli.verify.tally import Tally
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE
from shared.kafka.scan import read_topic
from shared.ports import Record
from shared.settings import KafkaSettings

GROUP: Final = "lake-stock"
TOPICS: Final = (BARS_HISTORY.name, BARS_LIVE.name)
# Behind every offset: nothing is read from there.
_END: Final = 1 << 62
_REQUIRED: Final = ("source", "adjusted")
_NAME: Final = r"^[A-Z0-9][A-Za-z0-9._=-]{0,31}$"
_CLOSE_LESS_A_SECOND: Final = 59 * 10**6


@dataclass
class TopicBars:
    """Bars of some partitions of both topics.

    Attributes:
        due: Versions in records that the lake's consumer has acknowledged: they must be in the lake.
        later: Versions in records after those: they may be there already.
        refused: Rows in acknowledged records that are no valid bars; they belong to the dead letters.
        unaccounted: Rows, or whole records, of those that no dead letter tells of.
    """

    due: Tally = field(default_factory=Tally)
    later: Tally = field(default_factory=Tally)
    refused: int = 0
    unaccounted: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the topics before they are read.

    Attributes:
        acknowledged: Next offset that the lake's consumer has stored, by (topic, partition); none = nothing is due.
        refusals: What the dead letters account for.
        partitions: How many there are.
    """

    acknowledged: Mapping[tuple[str, int], int]
    refusals: Refusals
    partitions: int


def read_partitions(
    settings: KafkaSettings, partitions: frozenset[int], known: Known, keys: frozenset[str] | None
) -> TopicBars:
    """Read some partitions of both bar topics to their end as of now.

    Args:
        settings: Where Kafka is.
        partitions: Their numbers.
        known: What is due, and what was refused.
        keys: Only these tickers; None = all.
    """
    bars = TopicBars()
    others = dict.fromkeys(set(range(known.partitions)) - partitions, _END)
    for topic in TOPICS:
        for record in read_topic(settings, topic, start=others):
            if keys is None or (record.key or b"").decode(errors="replace") in keys:
                at = record.position
                _add(bars, record, known.refusals, at.offset < known.acknowledged.get((at.topic, at.partition), 0))
    return bars


def _add(bars: TopicBars, record: Record, refusals: Refusals, due: bool) -> None:
    if record.position in refusals.whole:
        bars.refused += due
        return
    try:
        parts, refused = _valid_bars(record)
    except (pa.ArrowException, KeyError, ValueError, OSError, TypeError):
        bars.unaccounted += due
        return
    for valid in parts:
        (bars.due if due else bars.later).add(valid.ticker, valid.minutes, valid.identity)
    if due:
        bars.refused += refused
        bars.unaccounted += max(0, refused - refusals.rows.get(record.position, 0))


def _valid_bars(record: Record) -> tuple[list[HashedBars], int]:
    """Return the valid bars of a record, and how many of its rows are not valid."""
    with pa.ipc.open_stream(io.BytesIO(record.value or b"")) as reader:
        table = reader.read_all()
    good = pc.and_(_valid(table), pc.equal(table["ticker"], (record.key or b"").decode()).fill_null(False))
    kept = table if pc.all(good).as_py() else table.filter(good)
    return (hashed(kept) if kept.num_rows else []), table.num_rows - kept.num_rows


def _valid(table: pa.Table) -> pa.ChunkedArray:
    """Return which rows are valid by the public contract: the rules of is_bar, and those of the other columns."""
    values = tuple(table[name].fill_null(np.nan).to_numpy() for name in VALUES)
    known_after = instants(table["known_at"].fill_null(0)) - instants(table["timestamp"].fill_null(0))
    simulated = pc.equal(pc.starts_with(table["ticker"], "SIM."), table["simulated"])
    rules = [
        pa.chunked_array([pa.array(is_bar(whole_minutes(table["timestamp"].fill_null(1)), values))]),
        pa.chunked_array([pa.array(known_after >= _CLOSE_LESS_A_SECOND)]),
        pc.is_in(table["known_basis"], pa.array(["observed", "nominal"])),
        pc.match_substring_regex(table["ticker"], _NAME),
        simulated,
        *(table[name].is_valid() for name in _REQUIRED),
    ]
    together = rules[0]
    for rule in rules[1:]:
        together = pc.and_(together, rule.fill_null(False))
    return together
