"""A small file of every shape gives exactly these bars."""

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from producers.files.options import FileOptions
from producers.files.stock import StockFiles
from shared.contracts.bars import BAR_SCHEMA, decode_bars, encode_bars, split_valid
from tests.producers.files.parts import NEW_YORK, read, write

AT = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)  # 09:30 in New York
VALUES = [(10.0, 11.0, 9.5, 10.25, 100.0), (10.25, 10.5, 10.0, 10.0, 0.0)]
CSV_SHAPES = {
    "AAA_1min.csv.gz": "datetime,open,high,low,close,volume\n"
    "2025-01-06 09:30:00,10.0,11.0,9.5,10.25,100\n2025-01-06 09:31:00,10.25,10.5,10.0,10.0,0\n",
    "AAA.csv": "timestamp,open,high,low,close,volume\r\n"
    "2025-01-06 14:30:00+00:00,10.0,11.0,9.5,10.25,100\r\n2025-01-06 14:31:00+00:00,10.25,10.5,10.0,10.0,0\r\n",
    "aaa/2025.csv": "date,ToD,open,high,low,close,volume\n"
    "2025-01-06,09:30:00,10.0,11.0,9.5,10.25,100.0\n2025-01-06,09:31:00,10.25,10.5,10.0,10.0,0.0",
    "all_of_them.csv": "symbol;Time;Open;High;Low;Close;Volume\n"
    "aaa;20250106 09:30:00;10;11;9.5;10.25;1e2\nAAA;20250106 09:31:00;10.25;10.5;10;10;0\n",
    "ticker=AAA/x.txt": '"timestamp","open","high","low","close","volume"\n'
    '"2025-01-06T14:30:00Z","10.0","11.0","9.5","10.25","100"\n"2025-01-06T14:31:00Z","10.25","10.5","10","10","0"\n',
    "AAA_quoted.csv": 'ticker,timestamp,open,high,low,close,volume,name\n'
    'AAA,2025-01-06 09:30,10.0,11.0,9.5,10.25,100,"Triple A, Inc."\n'
    'AAA,2025-01-06 09:31,10.25,10.5,10.0,10.0,0,"Triple A, Inc."\n',
    "AAA/data.csv": "\n timestamp , open, high, low, close, volume\n"
    "\n2025-01-06 09:30:00, 10.0, 11.0, 9.5, 10.25, 100\n\n 2025-01-06 09:31:00, 10.25, 10.5 ,10.0 , 10.0, 0\n\n",
    "AAA_2.csv": "timestamp,close,volume,low,high,open,\n"
    "1736173800,10.25,100,9.5,11,10,\n1736173860,10,0,10,10.5,10.25,\n",
    "AAA.csv.gz": "open_time,open,high,low,close,volume,close_time\n"
    "1736173800000,10.0,11.0,9.5,10.25,100,1736173859999\n1736173860000,10.25,10.5,10.0,10.0,0,1736173919999\n",
}  # fmt: skip


def expected(**more: object) -> pl.DataFrame:
    rows = [
        {
            "ticker": "AAA",
            "timestamp": AT + timedelta(minutes=i),
            **dict(zip(("open", "high", "low", "close", "volume"), values, strict=True)),
            "trade_count": None,
            "vwap": None,
            "known_at": AT + timedelta(minutes=i + 1),
            "known_basis": "nominal",
            "source": "files",
            "feed": None,
            "adjusted": False,
            "simulated": False,
        }
        | {name: value[i] for name, value in more.items()}  # type: ignore[index]
        for i, values in enumerate(VALUES)
    ]
    return pl.DataFrame(rows, schema=pl.from_arrow(BAR_SCHEMA.empty_table()).schema)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", CSV_SHAPES)
def test_csv_shape_gives_the_bars(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, CSV_SHAPES[name])
    found = read(tmp_path, FileOptions(timezone="America/New_York", ticker="AAA" if name == "AAA_2.csv" else None))
    assert found.refused == []
    assert found.bars.equals(expected())
    assert decode_bars(encode_bars(found.bars)).equals(expected())
    assert len(found.items) == 1
    assert found.items[0].origin == f"files:{name}"
    assert split_valid(found.bars)[1].is_empty()


def test_csv_row_numbers_count_lines_behind_the_header(tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv", CSV_SHAPES["AAA/data.csv"])
    (week,) = read(tmp_path).items
    assert week.rows is not None
    assert week.rows.to_list() == [2, 4]  # lines 4 and 6 of the file, its header in line 2


def test_optional_columns_are_taken_and_what_means_none_is_null(tmp_path: Path) -> None:
    write(
        tmp_path / "AAA.csv",
        "date,open,high,low,close,volume,average,barCount\n"
        "2025-01-06 09:30:00,10.0,11.0,9.5,10.25,100,10.125,7\n2025-01-06 09:31:00,10.25,10.5,10.0,10.0,0,-1,-1\n",
    )
    assert read(tmp_path).bars.equals(expected(vwap=(10.125, None), trade_count=(7, None)))


def test_adjusted_prices_are_marked(tmp_path: Path) -> None:
    write(tmp_path / "AAA_1min.csv.gz", CSV_SHAPES["AAA_1min.csv.gz"])
    options = FileOptions(timezone="America/New_York", adjusted=True)
    assert read(tmp_path, options).bars.equals(expected(adjusted=(True, True)))


@pytest.mark.parametrize("kind", ["pandas index", "naive", "epoch", "text", "date and time"])
def test_parquet_shape_gives_the_bars(tmp_path: Path, kind: str) -> None:
    local = pd.DatetimeIndex([AT, AT + timedelta(minutes=1)], name="date").tz_convert("US/Eastern")
    frame = pd.DataFrame(VALUES, columns=["open", "high", "low", "close", "volume"])
    frame["average"] = [10.125, float("nan")]
    if kind == "pandas index":
        frame.index = local
    elif kind == "naive":
        frame["timestamp"] = local.tz_localize(None)
    elif kind == "epoch":
        frame["timestamp"] = local.as_unit("ns").asi8
    elif kind == "text":
        frame["timestamp"] = [str(t) for t in local]
    else:
        frame["date"], frame["time"] = local.date, local.time
    frame.to_parquet(tmp_path / "AAA_1min.parquet")
    found = read(tmp_path)
    assert found.refused == []
    assert found.bars.equals(expected(vwap=(10.125, None)))


def lean_zip(path: Path, text: str, inner: str = "x_minute_trade.csv") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(inner, text)
    return path


def test_lean_trade_zip_gives_the_bars_and_its_quotes_are_noted(tmp_path: Path) -> None:
    text = "34200000,100000,110000,95000,102500,100\n34260000,102500,105000,100000,100000,0\n"
    lean_zip(tmp_path / "aaa" / "20250106_trade.zip", text)
    lean_zip(tmp_path / "aaa" / "20250106_quote.zip", "34200000,1,1,1,1,1,1,1,1,1,1\n")
    found = read(tmp_path, FileOptions())
    assert found.refused == []
    assert [note.origin for note in found.notes] == ["files:aaa/20250106_quote.zip"]
    assert found.bars.equals(expected())


def test_lean_prices_are_the_nearest_numbers(tmp_path: Path) -> None:
    """A product with 1/10,000 is off by one in the last place for one price in twenty."""
    prices = range(90_000, 90_000 + 1440)
    text = "".join(f"{i * 60_000},{p},{p},{p},{p},1\n" for i, p in enumerate(prices))
    lean_zip(tmp_path / "aaa" / "20250106_trade.zip", text)
    assert read(tmp_path, FileOptions()).bars["close"].to_list() == [p / 10_000 for p in prices]


def test_lean_bars_follow_the_wall_clock_over_a_change_of_clocks(tmp_path: Path) -> None:
    """2014-03-09: clocks go from 02:00 to 03:00, so 09:30 is 8.5 hours after midnight."""
    lean_zip(tmp_path / "aaa" / "20140309_trade.zip", "34200000,100000,110000,95000,102500,100\n")
    assert read(tmp_path, FileOptions()).bars["timestamp"].to_list() == [datetime(2014, 3, 9, 13, 30, tzinfo=UTC)]


def test_tickers_and_range_are_filtered(tmp_path: Path) -> None:
    rows = [f"{t},2025-01-0{d} 09:30:00,10,11,9,10,1" for d in range(6, 9) for t in ("AAA", "BBB")]
    write(tmp_path / "two.csv", "\n".join(["ticker,timestamp,open,high,low,close,volume", *rows]))
    options = FileOptions("America/New_York", tickers=frozenset({"BBB"}), start=AT + timedelta(days=1))
    found = read(tmp_path, options).bars
    assert found["ticker"].to_list() == ["BBB"] * 2
    assert found["timestamp"].min() == AT + timedelta(days=1)


def test_identity_changes_with_content_and_options_only(tmp_path: Path) -> None:
    path = write(tmp_path / "AAA.csv", CSV_SHAPES["AAA.csv"])
    first = StockFiles(tmp_path, NEW_YORK).identity
    assert StockFiles(tmp_path, NEW_YORK).identity == first
    assert StockFiles(tmp_path, FileOptions("America/New_York", adjusted=True)).identity != first
    write(path, CSV_SHAPES["AAA.csv"] + "\r\n")
    assert StockFiles(tmp_path, NEW_YORK).identity != first
