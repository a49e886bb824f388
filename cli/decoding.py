"""Records of any of our topics in a form that people and programs can read."""

import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from shared.contracts.bars import decode_bars
from shared.contracts.dead_letters import TOPIC as DEAD_LETTERS
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE
from shared.errors import PoisonMessageError
from shared.ports import Record

BAR_TOPICS: Final = (BARS_HISTORY.name, BARS_LIVE.name)
SHOWN_BYTES: Final = 256
HEX_WIDTH: Final = 16


def decode_value(topic: str, value: bytes | None) -> Any:
    """Return a value as data: bars as a list of rows, JSON as it is, else text, else `hex:...`; None for no value."""
    if value is None:
        return None
    if topic in BAR_TOPICS:
        try:
            return decode_bars(value).to_dicts()
        except PoisonMessageError:
            return _text(value)
    try:
        return json.loads(value)
    except ValueError:
        return _text(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"hex:{value.hex()}"


def texts(headers: Mapping[str, bytes]) -> dict[str, str]:
    """Return headers as text."""
    return {name: value.decode(errors="replace") for name, value in headers.items()}


def as_document(record: Record) -> dict[str, Any]:
    """Return a record as data for programs."""
    position = record.position
    return {
        "topic": position.topic,
        "partition": position.partition,
        "offset": position.offset,
        "timestamp": record.timestamp.isoformat(),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "headers": texts(record.headers),
        "value": decode_value(position.topic, record.value),
    }


def as_line(record: Record) -> str:
    """Return a record as one line for people."""
    position = record.position
    key = "-" if record.key is None else record.key.decode(errors="replace")
    where = f"{record.timestamp:%H:%M:%S} {position.partition}@{position.offset}"
    return f"{where:<20} {key:<12} {_summary(record)}"


def _summary(record: Record) -> str:
    topic = record.position.topic
    if topic == DEAD_LETTERS:
        letter = DeadLetter.from_record(record.key, record.value, record.headers)
        return f"{letter.error_class}: {letter.reason} ({origin_of(letter)}, {letter.length:,} bytes)"
    if topic in BAR_TOPICS:
        try:
            return bars_line(decode_bars(record.value))
        except PoisonMessageError as error:
            return f"not bars: {error.reason}"
    found = decode_value(topic, record.value)
    return found if isinstance(found, str) else json.dumps(found, default=str)


def bars_line(bars: pl.DataFrame) -> str:
    """Return bars in short: how many, from when to when, and the last one's prices."""
    if bars.is_empty():
        return "no bars"
    last = bars.row(bars.height - 1, named=True)
    prices = " ".join(f"{name[0]} {last[name]:g}" for name in ("open", "high", "low", "close"))
    of = f"{last['source']}{' simulated' if last['simulated'] else ''}"
    until = f" .. {last['timestamp']:%Y-%m-%d %H:%M}" if bars.height > 1 else ""
    begin = f"{bars['timestamp'][0]:%Y-%m-%d %H:%M}{until}"
    return (
        f"{bars.height:>5,} {'bars' if bars.height > 1 else 'bar '} {begin} UTC, {prices} v {last['volume']:,.0f}, {of}"
    )


def origin_of(letter: DeadLetter) -> str:
    """Return where a dead letter came from."""
    if letter.partition >= 0:
        return f"{letter.topic} {letter.partition}@{letter.offset}"
    return f"{letter.topic} row {letter.offset}" if letter.offset > 0 else letter.topic


def hex_dump(value: bytes, limit: int = SHOWN_BYTES) -> list[str]:
    """Return the first bytes as lines of offset, hex and text."""
    lines = []
    for start in range(0, min(len(value), limit), HEX_WIDTH):
        part = value[start : start + HEX_WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<{HEX_WIDTH * 3}} {shown}")
    if len(value) > limit:
        lines.append(f"... {len(value) - limit:,} more bytes")
    return lines
