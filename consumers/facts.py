"""Decodes the JSON records: macro vintages, filings, corporate actions."""

from typing import Final

from consumers.decoded import Decoded, Part, check_key
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.lake import actions_object, fundamentals_object, macro_object
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
