"""Filings in the shape of FMP: when they became known, and which dates are not trusted."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from producers.files.company import CompanyFiles, filed
from shared.contracts.facts import Filing
from tests.producers.files.parts import Outcome, outcome, write

ROW = {
    "symbol": "AAA",
    "reportDate": "2024-09-28",
    "date": "2024-09-28",
    "cik": "0000000001",
    "fillingDate": "2024-11-01",
    "acceptedDate": "2024-11-01 06:01:36",
    "calendarYear": "2024",
    "period": "FY",
    "revenue": 391035000000,
    "eps": 6.11,
    "balance_inventory": 0,
    "cashflow_freeCashFlow": -5,
    "link": None,
}


def read(root: Path, *only: str) -> Outcome:
    return outcome(CompanyFiles(root, frozenset(only), 0.5))


def filings(found: Outcome) -> list[Filing]:
    return [fact.message for fact in found.facts if isinstance(fact.message, Filing)]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_filing_keeps_its_fields_under_their_names(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame([ROW])
    if kind == "parquet":
        frame.write_parquet(tmp_path / "all.parquet")
    else:
        frame.write_csv(tmp_path / "all.csv")
    (filing,) = filings(read(tmp_path))
    assert (filing.symbol, filing.period, filing.calendarYear) == ("AAA", "FY", 2024)
    assert filing.period_end == date(2024, 9, 28)
    assert filing.filed_at == datetime(2024, 11, 1, 10, 1, 36, tzinfo=UTC)  # New York is at -04:00
    assert filing.filed_basis == "accepted"
    assert filing.statement == {
        "reportDate": "2024-09-28",
        "date": "2024-09-28",
        # Text cannot be told from a number in CSV.
        "cik": "0000000001" if kind == "parquet" else 1.0,
        "fillingDate": "2024-11-01",
        "acceptedDate": "2024-11-01 06:01:36",
        "revenue": 391035000000.0,
        "eps": 6.11,
        "balance_inventory": 0.0,
        "cashflow_freeCashFlow": -5.0,
        "link": None,
    }


@pytest.mark.parametrize(
    ("accepted", "filing_date", "known", "basis"),
    [
        ("2024-11-01 06:01:36", "2024-11-01", datetime(2024, 11, 1, 10, 1, 36, tzinfo=UTC), "accepted"),
        ("2024-11-01T10:01:36Z", None, datetime(2024, 11, 1, 10, 1, 36, tzinfo=UTC), "accepted"),
        (None, "2024-11-01", datetime(2024, 11, 4, 14, 30, tzinfo=UTC), "filing_date"),  # Friday -> Monday's open
        ("2024-11-01", "2024-11-01", datetime(2024, 11, 4, 14, 30, tzinfo=UTC), "filing_date"),
        ("2024-11-01 00:00:00", "2024-11-01", datetime(2024, 11, 4, 14, 30, tzinfo=UTC), "filing_date"),
        ("2024-09-28 16:00:00", "2024-09-28", datetime(2024, 12, 30, 14, 30, tzinfo=UTC), "untrusted"),
        ("2024-09-28 23:30:00", "2024-11-01", datetime(2024, 11, 4, 14, 30, tzinfo=UTC), "filing_date"),
        (None, None, datetime(2024, 12, 30, 14, 30, tzinfo=UTC), "untrusted"),
        ("soon", "later", datetime(2024, 12, 30, 14, 30, tzinfo=UTC), "untrusted"),
    ],
)
def test_filed_trusts_only_what_is_after_the_period_end(
    accepted: str | None, filing_date: str | None, known: datetime, basis: str
) -> None:
    at, ground = filed(date(2024, 9, 28), accepted, filing_date)
    assert (at.astimezone(UTC), ground) == (known, basis)


def test_filing_without_symbol_or_period_is_refused_alone(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"symbol": None}, ROW | {"date": "soon", "reportDate": None}, ROW | {"symbol": "BBB"}]
    pl.DataFrame(rows).write_parquet(tmp_path / "all.parquet")
    found = read(tmp_path)
    assert [f.symbol for f in filings(found)] == ["AAA", "BBB"]
    assert [r.row for r in found.refused] == [2, 3]
    assert [f.symbol for f in filings(read(tmp_path, "BBB"))] == ["BBB"]


def test_company_names_beside_are_noted(tmp_path: Path) -> None:
    pl.DataFrame([ROW]).write_parquet(tmp_path / "all.parquet")
    write(tmp_path / "companies_info.csv", "ticker_id,ticker,company_name\n1,AAA,Triple A\n")
    found = read(tmp_path)
    assert len(found.facts) == 1
    assert [note.origin for note in found.notes] == ["files:companies_info.csv"]


def test_file_of_mostly_bad_filings_is_given_up_judged_by_all_of_its_rows(tmp_path: Path) -> None:
    good, bad = [ROW | {"symbol": f"S{number}"} for number in range(600)], [ROW | {"date": "soon"}] * 1200
    pl.DataFrame([*good[:300], *bad]).write_csv(tmp_path / "all.csv")
    found = read(tmp_path)
    assert (len(found.facts), len(found.rows)) == (300, 701)
    assert [fault.error_class for fault in found.faults] == ["too_many_refused"]
    pl.DataFrame([*good, *bad[:599]]).write_csv(tmp_path / "all.csv")
    other = read(tmp_path, "OTHER")
    assert (other.facts, len(other.rows), other.faults) == ([], 599, [])
