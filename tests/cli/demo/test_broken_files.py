"""A folder of broken files: each answers, nothing stops, nothing is lost."""

import gzip
import json
from pathlib import Path

from tests.cli.conftest import Demo

HEADER = "timestamp,open,high,low,close,volume"


def rows(count: int, step: int = 1, zone: str = "+00:00") -> list[str]:
    times = [f"2026-02-02 {14 + m // 60}:{m % 60:02d}:00{zone}" for m in range(0, count * step, step)]
    return [f"{at},{100 + i / 8},{101 + i / 8},{99 + i / 8},{100.5 + i / 8},{100 + i}" for i, at in enumerate(times)]


def text(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode()


def with_row(place: int, row: str) -> bytes:
    found = rows(50)
    found[place] = row
    return text(*found)


def write_broken(folder: Path) -> int:
    """Write the folder; return how many good bars are in it, of which the truncated file's are unknown."""
    whole = gzip.compress(text(*rows(300)))
    files = {
        "XGOOD.csv": text(*rows(100)),
        "XWRONG.csv": b"when,first\n1,2\n",
        "XEMPTY.csv": b"",
        "XHEAD.csv": text(),
        "XTRUNC.csv.gz": whole[: len(whole) // 2],
        "XNEGATIVE.csv": with_row(7, "2026-02-02 14:07:00+00:00,100,101,99,100,-5"),
        "XHIGHLOW.csv": with_row(8, "2026-02-02 14:08:00+00:00,100,101,99,105,5"),
        "XNOZONE.csv": text(*rows(50, zone="")),
        "XTEXT.csv": with_row(9, "2026-02-02 14:09:00+00:00,100,abc,99,100,5"),
        "XENDLESS.csv": text(*rows(10), "9" * 3_000_000, *rows(50)[10:]),
        "XFIVE.csv": text(*rows(30, step=5)),
    }
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return 100 + 49 + 49 + 49 + 50


def test_demo_of_broken_files_publishes_what_is_good_and_names_the_rest(demo: Demo, tmp_path: Path) -> None:
    good = write_broken(tmp_path / "broken")
    report = tmp_path / "report.json"

    result = demo.command(
        "demo", "--once", "--until", "lake", "--bars", str(tmp_path / "broken"), "--report", str(report)
    )

    assert result.exit_code == 1  # whole files could not be read
    found = json.loads(report.read_text())
    assert (found["lost"], found["duplicated"], found["verified"]) == (0, 0, True)
    truncated = found["bars_published"] - good
    assert 0 < truncated < 300
    assert found["bars_rejected"] == 4
    assert found["bars_read"] == found["bars_published"] + 4
    assert found["bars_in_files"] == found["bars_read"]
    for name in ("XWRONG", "XEMPTY", "XTRUNC", "XNOZONE", "XFIVE"):
        assert any(name in problem for problem in found["problems"])
    assert len(found["problems"]) == 5
    assert found["notes"] == ["files:XHEAD.csv: it has a header and no rows"]
    letters = {letter["error_class"] for letter in demo.command.json("dlq", "list")}
    assert {"empty_file", "long_line", "bad_spacing", "no_timezone", "truncated_file", "wrong_header"} <= letters
