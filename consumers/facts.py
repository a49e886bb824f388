"""Decodes the JSON records (macro vintages, filings, corporate actions), and puts rows into frames."""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from consumers.decoded import Decoded, Part, Row, check_key
from shared.contracts.bars import INSTANT
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.lake import Dataset, actions_object, fundamentals_object, macro_object
from shared.contracts.messages import Message
from shared.ports import Record

# A decoded message takes about five times its JSON.
_JSON_BYTES_A_BAR: Final = 30


def decode_vintage_record(record: Record) -> Decoded:
    """Return the macro vintage in the record.

    Raises:
        PoisonMessageError: it is none, or another series than the key says.
    """
    vintage = MacroVintage.decode(record.value)
    check_key(record, "series", vintage.series)
    return _one(record, macro_object(vintage.series, vintage.date), vintage)


def decode_filing_record(record: Record) -> Decoded:
    """Return the filing in the record.

    Raises:
        PoisonMessageError: it is none, or another symbol than the key says.
    """
    filing = Filing.decode(record.value)
    check_key(record, "symbol", filing.symbol)
    return _one(record, fundamentals_object(filing.symbol, filing.calendarYear), filing)


def decode_action_record(record: Record) -> Decoded:
    """Return the corporate action in the record.

    Raises:
        PoisonMessageError: it is none, or another ticker than the key says.
    """
    action = CorporateAction.decode(record.value)
    check_key(record, "ticker", action.ticker)
    return _one(record, actions_object(action.ticker), action)


def _one(record: Record, name: str, message: Message) -> Decoded:
    row = {**dict(message), "ingested_at": record.timestamp}
    return Decoded((Part(name, row, 1 + len(record.value or b"") // _JSON_BYTES_A_BAR),), rows=1)


def frames_of_rows(dataset: Dataset, rows: Sequence[Row]) -> list[pl.DataFrame]:
    """Return the rows as frames: one, or one a row where an open column has values of several types."""
    if not rows:
        return []
    if any(len(kinds) > 1 for kinds in _open_kinds(dataset, rows).values()):
        return [_frame(dataset, [row]) for row in rows]
    return [_frame(dataset, rows)]


def _frame(dataset: Dataset, rows: Sequence[Row]) -> pl.DataFrame:
    kinds = {name: kinds.pop() if kinds else pl.Float64() for name, kinds in _open_kinds(dataset, rows).items()}
    schema = {**dataset.columns, **kinds, "ingested_at": INSTANT}
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in schema}, schema=schema)


def _open_kinds(dataset: Dataset, rows: Iterable[Row]) -> dict[str, set[pl.DataType]]:
    """Return the types of the values in each open column."""
    found: dict[str, set[pl.DataType]] = {}
    if not dataset.open_columns:
        return found
    for row in rows:
        for name in row.keys() - dataset.lake_columns.keys():
            value, kinds = row[name], found.setdefault(name, set())
            if isinstance(value, bool):
                kinds.add(pl.Boolean())
            elif isinstance(value, float | int):
                kinds.add(pl.Float64())
            elif value is not None:
                kinds.add(pl.String())
    return found
