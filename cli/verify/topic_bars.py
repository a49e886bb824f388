"""The bars in the topics, as far as the lake must have them, and as far as it may."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cli.verify.bar_tables import VALUES, HashedBars, hashed, instants, whole_minutes
from cli.verify.source_files import is_bar
from cli.verify.tally import Tally
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE
from shared.kafka.scan import read_topic
from shared.ports import Record
from shared.settings import KafkaSettings

GROUP: Final = "lake-stock"
TOPICS: Final = (BARS_HISTORY.name, BARS_LIVE.name)
_REQUIRED: Final = ("source", "adjusted")
_NAME: Final = r"^[A-Z0-9][A-Za-z0-9._=-]{0,31}$"
_CLOSE_LESS_A_SECOND: Final = 59 * 10**6


@dataclass
class TopicBars:
    """Bars of one partition of both topics.

    Attributes:
        due: Versions in records that the lake's consumer has acknowledged: they must be in the lake.
        later: Versions in records after those: they may be there already.
        rows: Rows in acknowledged records, repetitions included.
        refused: Rows in acknowledged records that are no valid bars, and so belong to the dead letters.
        unreadable: Acknowledged records that are no bars at all, and so belong to the dead letters.
    """

    due: Tally = field(default_factory=Tally)
    later: Tally = field(default_factory=Tally)
    rows: int = 0
    refused: int = 0
    unreadable: int = 0


def read_partition(
    settings: KafkaSettings, partition: int, acknowledged: Mapping[tuple[str, int], int], keys: frozenset[str] | None
) -> TopicBars:
    """Read one partition of both bar topics to their end as of now.

    Args:
        settings: Where Kafka is.
        partition: Its number.
        acknowledged: Next offset that the lake's consumer has stored; none = nothing is due.
        keys: Only these tickers; None = all.
    """
    bars = TopicBars()
    for topic in TOPICS:
        until = acknowledged.get((topic, partition), 0)
        for record in read_topic(settings, topic, partition=partition):
            if keys is None or (record.key or b"").decode(errors="replace") in keys:
                _add(bars, record, record.position.offset < until)
    return bars


def _add(bars: TopicBars, record: Record, due: bool) -> None:
    try:
        parts = list(_valid_bars(record))
    except (pa.ArrowException, KeyError, ValueError, OSError, TypeError):
        bars.unreadable += due
        return
    for valid, refused in parts:
        (bars.due if due else bars.later).add(valid.ticker, valid.minutes, valid.identity)
        bars.rows += due * len(valid.minutes)
        bars.refused += due * refused


def _valid_bars(record: Record) -> Iterator[tuple[HashedBars, int]]:
    """Yield the valid bars of a record by ticker, and how many of its rows are not valid."""
    with pa.ipc.open_stream(io.BytesIO(record.value or b"")) as reader:
        table = reader.read_all()
    good = _valid(table)
    kept = table if pc.all(good).as_py() else table.filter(good)
    refused = table.num_rows - kept.num_rows
    for bars in hashed(kept):
        yield bars, refused
        refused = 0


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
