"""Macro files: values as they are, nulls kept, damaged rows refused."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from producers.files.macro import MacroFiles
from producers.source import Fact
from shared.contracts.facts import MacroVintage
from tests.producers.files.parts import Outcome, outcome, write


def read(root: Path, *only: str) -> Outcome:
    return outcome(MacroFiles(root, frozenset(only), 0.5))


def values(found: Outcome) -> list[tuple[str, date, float | None]]:
    return [(m.series, m.date, m.value) for m in map(vintage, found.facts)]


def vintage(fact: Fact) -> MacroVintage:
    assert isinstance(fact.message, MacroVintage)
    assert fact.key == fact.message.series
    return fact.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("UNRATE.csv", "date,value\n2025-01-01,4.0\n2025-02-01,\n"),
        ("whatever.csv", "date,UNRATE\n2025-01-01,4.0\n2025-02-01,.\n"),
        ("fred.csv.gz", "observation_date,UNRATE\r\n2025-01-01,4.0\r\n2025-02-01,NaN\r\n"),
        ("long.csv", "series_id,date,value\nUNRATE,2025-01-01,4.0\nUNRATE,2025-02-01,\n"),
        ("spaced.csv", 'DATE, "UNRATE"\n2025-01-01, 4.0\n2025-02-01, ""\n'),
    ],
)
def test_macro_csv_shapes_give_the_series_and_keep_nulls(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    found = read(tmp_path)
    assert found.refused == []
    assert values(found) == [("UNRATE", date(2025, 1, 1), 4.0), ("UNRATE", date(2025, 2, 1), None)]
    assert all(m.latest_vintage and m.vintage is None and not m.simulated for m in map(vintage, found.facts))


def test_macro_wide_file_and_selection(tmp_path: Path) -> None:
    write(tmp_path / "wide.csv", "date,DGS10,DGS2\n2025-01-02,4.5,4.2\n")
    assert values(read(tmp_path)) == [("DGS10", date(2025, 1, 2), 4.5), ("DGS2", date(2025, 1, 2), 4.2)]
    assert values(read(tmp_path, "DGS2")) == [("DGS2", date(2025, 1, 2), 4.2)]


def test_macro_parquet_with_dates(tmp_path: Path) -> None:
    frame = pl.DataFrame({"date": [date(2025, 1, 1)], "value": [4.0]})
    frame.write_parquet(tmp_path / "UNRATE.parquet")
    frame.with_columns(pl.col("date").cast(pl.Datetime("us"))).write_parquet(tmp_path / "U6RATE.parquet")
    assert sorted(values(read(tmp_path))) == [("U6RATE", date(2025, 1, 1), 4.0), ("UNRATE", date(2025, 1, 1), 4.0)]


def test_macro_damaged_rows_are_refused_alone(tmp_path: Path) -> None:
    rows = ["2025-01-01,4.0", "soon,4.1", "2025-03-01,high", "2025-04-01,inf", "2025-05-01,4.2,9", ",4.3"]
    write(tmp_path / "UNRATE.csv", "\n".join(["date,value", *rows]))
    found = read(tmp_path)
    assert values(found) == [("UNRATE", date(2025, 1, 1), 4.0)]
    assert [(r.row, r.raw.decode()) for r in found.refused] == list(enumerate(rows[1:], start=2))


def test_macro_other_tables_beside_are_noted_and_alone_refused(tmp_path: Path) -> None:
    write(tmp_path / "UNRATE.csv", "date,value\n2025-01-01,4.0\n")
    other = write(tmp_path / "metadata.csv", "series_id,last_updated\nGDP,2026-01-02\n")
    found = read(tmp_path)
    assert len(found.facts) == 1
    assert found.refused == []
    assert [note.origin for note in found.notes] == ["files:metadata.csv"]
    assert [r.error_class for r in read(other).refused] == ["wrong_header"]


def test_macro_name_that_is_none_is_refused_row_by_row(tmp_path: Path) -> None:
    write(tmp_path / "un rate.csv", "date,value\n2025-01-01,4.0\n")
    found = read(tmp_path)
    assert found.facts == []
    assert "series" in found.refused[0].reason


def test_macro_file_of_mostly_bad_rows_is_given_up_and_its_good_rows_published(tmp_path: Path) -> None:
    days = [f"2025-01-{day:02d},4.{day}" for day in range(1, 29)]
    write(tmp_path / "DGS10.csv", "\n".join(["date,value", *days, *["soon,4.1"] * 2000]))
    found = read(tmp_path)
    assert len(found.facts) == len(days)
    assert len(found.rows) == 1001 - len(days)
    (given_up,) = found.faults
    assert (given_up.row, given_up.error_class) == (1001, "too_many_refused")
    assert len(read(tmp_path, "DGS2").rows) == 0
