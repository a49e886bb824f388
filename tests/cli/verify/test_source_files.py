"""The verifier's own reading of source files, held against rows counted by hand."""

import gzip
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from cli.verify.content import content_hashes
from cli.verify.source_files import Source, SourceBars, read_source
from cli.verify.source_shapes import ticker_of
from shared.errors import ConfigurationError

NEW_YORK = ZoneInfo("America/New_York")
HEADER = "timestamp,open,high,low,close,volume"


def minute_of(text: str) -> int:
    return int(pd.Timestamp(text).timestamp()) // 60


def expected(ticker: str, *bars: tuple[str, float, float, float, float, float]) -> set[int]:
    minutes = np.array([minute_of(bar[0]) for bar in bars], dtype=np.int64)
    columns = tuple(np.array([bar[i] for bar in bars]) for i in range(1, 6))
    return set(content_hashes(ticker, minutes, columns).tolist())


def found(source: SourceBars, ticker: str) -> set[int]:
    return {h for week in source.bars.weeks(ticker) for h in source.bars.rows(ticker, week).tolist()}


BARS = (
    ("2026-01-12 14:30:00+00:00", 10.0, 11.0, 9.5, 10.25, 100.0),
    ("2026-01-12 14:31:00+00:00", 10.25, 10.5, 10.0, 10.0, 0.0),
)
AWARE = f"{HEADER}\n2026-01-12 14:30:00+00:00,10,11,9.5,10.25,100\n2026-01-12 14:31:00+00:00,10.25,10.5,10,10,0\n"
NAIVE = AWARE.replace(" 14:", " 09:").replace("+00:00", "")
SHAPES = {
    "AAA_1min.csv": AWARE,
    "AAA.csv": NAIVE,
    "aaa_5.csv": NAIVE.replace("timestamp", "datetime"),
    "AAA.txt": AWARE.replace("timestamp,", "Timestamp,").replace(",", ";"),
    "AAA_tod.csv": NAIVE.replace("timestamp", "date,ToD").replace(" 09:", ",09:"),
    "of_all.csv": "\n".join(f"{'symbol' if i == 0 else 'AAA'},{line}" for i, line in enumerate(AWARE.splitlines())),
    "AAA_epoch.csv": AWARE.replace("2026-01-12 14:30:00+00:00", "1768228200").replace(
        "2026-01-12 14:31:00+00:00", "1768228260"
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("packed", [False, True])
def test_csv_shape_gives_the_bars(tmp_path: Path, name: str, packed: bool) -> None:
    data = SHAPES[name].encode()
    (tmp_path / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    source = read_source(Source(tmp_path, NEW_YORK))
    assert [(file.rows, file.rejected, file.refused) for file in source.files] == [(2, 0, "")]
    assert found(source, "AAA") == expected("AAA", *BARS)


def test_parquet_with_a_zoned_index_gives_the_bars(tmp_path: Path) -> None:
    index = pd.DatetimeIndex(["2026-01-12 09:30", "2026-01-12 09:31"], tz="US/Eastern", name="date")
    columns = dict(zip(HEADER.split(",")[1:], zip(*(bar[1:] for bar in BARS), strict=True), strict=True))
    frame = pd.DataFrame(columns, index=index)
    frame.to_parquet(tmp_path / "AAA_1min.parquet")
    assert found(read_source(Source(tmp_path)), "AAA") == expected("AAA", *BARS)


def test_lean_zip_gives_the_bars_and_its_quotes_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "aaa"
    folder.mkdir()
    for kind in ("trade", "quote"):
        with zipfile.ZipFile(folder / f"20260112_{kind}.zip", "w") as archive:
            rows = "34200000,100000,110000,95000,102500,100\n34260000,102500,105000,100000,100000,0\n"
            archive.writestr(f"20260112_aaa_minute_{kind}.csv", rows)
    source = read_source(Source(tmp_path))
    assert found(source, "AAA") == expected("AAA", *BARS)
    assert sorted(file.refused for file in source.files) == ["", "it holds quotes, not trade bars"]


BAD_ROWS = {
    "negative volume": "2026-01-12 14:32:00+00:00,10,11,9,10,-1",
    "high below close": "2026-01-12 14:32:00+00:00,10,10,9,10.5,1",
    "text in a price": "2026-01-12 14:32:00+00:00,10,eleven,9,10,1",
    "missing price": "2026-01-12 14:32:00+00:00,10,,9,10,1",
    "zero price": "2026-01-12 14:32:00+00:00,0,11,0,10,1",
    "seconds": "2026-01-12 14:32:30+00:00,10,11,9,10,1",
    "no time": ",10,11,9,10,1",
    "infinite": "2026-01-12 14:32:00+00:00,10,inf,9,10,1",
}


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_bad_row_is_counted_and_the_others_stay(tmp_path: Path, fault: str) -> None:
    (tmp_path / "AAA.csv").write_text(AWARE + BAD_ROWS[fault] + "\n")
    source = read_source(Source(tmp_path))
    assert [(file.rows, file.rejected) for file in source.files] == [(3, 1)]
    assert found(source, "AAA") == expected("AAA", *BARS)


REFUSED = {
    "no zone": (NAIVE, "no zone"),
    "wrong header": ("when,first\n1,2\n", "columns are missing"),
    "empty": ("", "cannot be read"),
    "quotes": ("timestamp,bid_open,ask_open\n1,2,3\n", "quotes"),
    "5 minutes": (
        HEADER + "".join(f"\n2026-01-12 14:{m:02d}:00+00:00,10,11,9,10,1" for m in range(0, 60, 5)),
        "5 minutes apart",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_file_that_holds_no_bars_is_refused_with_the_reason(tmp_path: Path, fault: str) -> None:
    text, reason = REFUSED[fault]
    (tmp_path / "AAA.csv").write_text(text)
    source = read_source(Source(tmp_path))
    assert reason in source.files[0].refused
    assert source.bars.tickers == []


def test_truncated_gzip_counts_up_to_the_damage(tmp_path: Path) -> None:
    rows = [f"2026-01-12 {14 + m // 60}:{m % 60:02d}:00+00:00,10,11,9,{10 + m / 1000},{m}" for m in range(200)]
    whole = gzip.compress("\n".join([HEADER, *rows, ""]).encode())
    (tmp_path / "AAA.csv.gz").write_bytes(whole[: len(whole) // 2])
    (file,) = read_source(Source(tmp_path)).files
    assert 0 < file.rows < 200
    assert "ends early" in file.refused


def test_hour_that_the_clocks_showed_twice_is_no_instant(tmp_path: Path) -> None:
    rows = [f"2025-11-02 {at},10,11,9,10,1" for at in ("00:59:00", "01:30:00", "02:00:00")]
    (tmp_path / "AAA.csv").write_text("\n".join([HEADER, *rows]))
    assert [(f.rows, f.rejected) for f in read_source(Source(tmp_path, NEW_YORK)).files] == [(3, 1)]


def test_until_leaves_out_later_bars(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text(AWARE)
    source = read_source(Source(tmp_path, until=minute_of(BARS[1][0])))
    assert found(source, "AAA") == expected("AAA", BARS[0])
    assert (source.first, source.last) == (minute_of(BARS[0][0]), minute_of(BARS[0][0]))


def test_tickers_leave_out_others(tmp_path: Path) -> None:
    for name in ("AAA", "BBB"):
        (tmp_path / f"{name}.csv").write_text(AWARE)
    assert read_source(Source(tmp_path, tickers=frozenset({"BBB"}))).bars.tickers == ["BBB"]


def test_folder_without_files_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no CSV"):
        read_source(Source(tmp_path))


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("more", [",", ",,", ",,x"])
def test_row_with_more_fields_than_the_header_spoils_no_other(tmp_path: Path, place: int, more: str) -> None:
    header, *rows = AWARE.splitlines()
    lines = [*rows, *rows, *rows]
    lines.insert(place, rows[0] + more)
    (tmp_path / "AAA.csv").write_text("\n".join([header, *lines]) + "\n")
    (account,) = read_source(Source(tmp_path)).files
    assert (account.rows, account.rejected) == (len(lines) - 1, 0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("more", ["note", '"a, note"'])
def test_rows_read_one_by_one_are_counted_by_the_header_alone(tmp_path: Path, end: str, more: str) -> None:
    header, *rows = AWARE.splitlines()
    wide, good = f"{rows[0]},x,y", [f"{row},x" for row in rows]
    (tmp_path / "AAA.csv").write_text(end.join([f"{header},{more}", wide, *good]) + end, newline="")
    (account,) = read_source(Source(tmp_path)).files
    assert (account.rows, account.rejected) == (len(good), 0)


@pytest.mark.parametrize("name", [";rm.csv", "-.csv", "$(x)_1min.csv"])
def test_file_whose_name_tells_no_ticker_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "%"
    folder.mkdir()
    (folder / name).write_text(AWARE)
    source = read_source(Source(folder))
    assert "tells no ticker" in source.files[0].refused
    assert source.bars.tickers == []


@pytest.mark.parametrize(
    ("path", "ticker"),
    [
        ("NVDA_1min.csv.gz", "NVDA"),
        ("BRK.B.csv", "BRK.B"),
        ("spy/20131008_trade.zip", "SPY"),
        ("ticker=MSFT/part-0.parquet", "MSFT"),
        ("aapl/2025-01.csv", "AAPL"),
    ],
)
def test_ticker_of_a_path(path: str, ticker: str) -> None:
    assert ticker_of(Path("/data") / path) == ticker
