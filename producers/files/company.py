"""The files source of company filings in the shape of FMP: bare names, `balance_*`, `cashflow_*`, dates as text.

`filed_at` is the time of acceptance (New York time), else the filing date's next session; one that is missing or not
after the period's end is not trusted: period end + 90 days stands in its place, flagged. All other columns are kept
as statement fields under their own names.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from producers.files.csv_table import tidied
from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile
from producers.files.facts_source import WRONG_HEADER, FactFiles, reason_of
from producers.files.parquet_table import ParquetTable
from producers.files.table import Batch
from producers.source import Fact, Item, Note, Refused
from shared.contracts.calendar import NEW_YORK, next_open_after
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.contracts.facts import FiledBasis, Filing
from shared.errors import PoisonMessageError

UNTRUSTED_AFTER: Final = timedelta(days=90)
_SYMBOL: Final = ("symbol", "ticker")
_PERIOD_END: Final = ("date", "reportDate", "period_end", "fiscalDateEnding")
_FILED: Final = ("fillingDate", "filingDate", "filing_date", "filedDate")  # `fillingDate` is FMP's spelling
_ACCEPTED: Final = ("acceptedDate", "accepted_date", "acceptanceDate")
_YEAR: Final = ("calendarYear", "fiscalYear")
_OURS: Final = frozenset({"source", "simulated", "period_end", "filed_at", "filed_basis", "row", "reason"})


@dataclass(frozen=True, slots=True)
class CompanyShape:
    """The columns by name, and which of them say whose filing it is and when."""

    columns: dict[str, int]
    symbol: str
    period_end: str
    width: int


def recognise_company(header: Sequence[str]) -> CompanyShape:
    """Return what the header tells.

    Raises:
        PoisonMessageError: it is not one of filings.
    """
    columns = {name.strip().strip('"'): place for place, name in enumerate(header)}
    symbol = next((name for name in _SYMBOL if name in columns), None)
    period_end = next((name for name in _PERIOD_END if name in columns), None)
    if symbol is None or period_end is None or not columns.keys() & {*_FILED, *_ACCEPTED}:
        shown = ",".join(header)[:120]
        reason = (
            f"its header '{shown}' is not that of filings; wanted are symbol, date, and acceptedDate or fillingDate"
        )
        raise PoisonMessageError(reason, WRONG_HEADER)
    return CompanyShape(columns, symbol, period_end, len(header))


class CompanyFiles(FactFiles):
    """Source of filings from a folder or file."""

    kind = "fundamentals"

    def _facts(self, file: SourceFile, table: CsvText | ParquetTable) -> Iterator[Item]:
        shape = table.header(recognise_company)
        if shape is None:
            yield Note(file.origin, "it has a header and no rows")
            return
        for batch in table.batches({f"its {name}": place for name, place in shape.columns.items()}):
            if not isinstance(batch, Batch):
                yield batch
                continue
            text = isinstance(table, CsvText)
            cells = tidied(batch.cells) if text else batch.cells
            for index, cell in enumerate(cells.iter_rows(named=True)):
                row = {name.removeprefix("its "): value for name, value in cell.items() if name.startswith("its ")}
                try:
                    if cell.get("reason"):
                        raise ValueError(cell["reason"])
                    filing = filing_of(row, shape, numbers=text)
                except (ValidationError, ValueError) as error:
                    raw = batch.raw(index)
                    yield Refused(file.origin, cell["row"], raw[:MAX_KEPT_BYTES], len(raw), reason_of(error), "bad_row")
                    continue
                yield Fact(filing.symbol, filing, file.origin)


def filing_of(row: Mapping[str, Any], shape: CompanyShape, *, numbers: bool) -> Filing:
    """Return the filing in one row.

    Args:
        row: Its cells by column.
        shape: What the header told.
        numbers: Whether the cells are text, so that numbers have to be recognised (CSV).

    Raises:
        ValueError: symbol or period end cannot be read.
    """
    symbol = str(row[shape.symbol] or "").strip()
    period_end = _date(row[shape.period_end])
    if not symbol or period_end is None:
        raise ValueError(f"{shape.symbol if not symbol else shape.period_end} is missing or cannot be read")
    filed_at, basis = filed(period_end, _first(row, _ACCEPTED), _first(row, _FILED))
    own = {shape.symbol, "calendarYear", "period"}
    return Filing(
        symbol=symbol.upper() if symbol.islower() else symbol,
        period=str(row.get("period") or "FY"),
        period_end=period_end,
        calendarYear=int(_first(row, _YEAR) or period_end.year),
        filed_at=filed_at,
        filed_basis=basis,
        source="files",
        **{_field(name): _statement(value, numbers) for name, value in row.items() if name not in own},
    )


def filed(period_end: date, accepted: Any, filing_date: Any) -> tuple[datetime, FiledBasis]:
    """Return when a filing became known (aware) and on what ground.

    Args:
        period_end: Last day of the period.
        accepted: Time of acceptance as the source writes it (New York time where no zone is told), or None.
        filing_date: Date of filing as the source writes it, or None.
    """
    instant = _instant(accepted)
    if instant is not None and instant.astimezone(NEW_YORK).date() > period_end:
        return instant, "accepted"
    day = _date(filing_date)
    if day is not None and day > period_end:
        return next_open_after(day), "filing_date"
    return next_open_after(period_end + UNTRUSTED_AFTER), "untrusted"


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _instant(value: Any) -> datetime | None:
    """Return a time with its zone; None for a mere date, for nothing, and for what cannot be read."""
    if isinstance(value, datetime):
        instant = value
    else:
        text = str(value or "").strip()
        if len(text) <= len("2024-11-01"):
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            return None
    if instant.tzinfo is None and instant.time() == datetime.min.time():
        return None  # midnight is how a date is written as a time
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=NEW_YORK)


def _date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value or "")[:10])
    except ValueError:
        return None


def _field(name: str) -> str:
    """Return the name of a statement field; one that is ours is kept beside it."""
    return f"source_{name}" if name in _OURS else name


def _statement(value: Any, numbers: bool) -> float | str | bool | None:
    """Return a statement value as JSON can hold it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    text = str(value)
    if numbers:
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else None
    return text
