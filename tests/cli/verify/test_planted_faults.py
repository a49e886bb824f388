"""`verify lake` on copies of a good lake, each with one planted fault."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.settings import embedded
from shared.contracts.topics import BARS_HISTORY
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.testing.eventually import eventually
from tests.cli.conftest import Demo, run_command
from tests.cli.source_csv import DAYS, MINUTES, NAIVE_ZONE, row

Plant = Callable[[Path], None]


@pytest.fixture
def lake(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the lake that may be damaged; the command is pointed at it by the environment."""
    copy = tmp_path / "lake"
    shutil.copytree(demo.addresses.home.lake, copy)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", demo.addresses.kafka_bootstrap_servers)
    monkeypatch.setenv("LAKE_URL", f"file://{copy}")
    return copy


def verified(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = run_command("verify", "lake", "--json", *arguments)
    return result.exit_code, json.loads(result.stdout)


def an_object(lake: Path, ticker: str = "AAA") -> Path:
    (found,) = (lake / "stock-data" / ticker).rglob("*.parquet")
    return found


def rewrite(change: Callable[[pa.Table], pa.Table]) -> Plant:
    def plant(lake: Path) -> None:
        path = an_object(lake)
        pq.write_table(change(pq.read_table(path, partitioning=None)), path)

    return plant


def with_value(table: pa.Table, name: str, place: int, value: object) -> pa.Table:
    values = table[name].to_pylist()
    values[place] = value
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


def lose_a_row(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 17), table.slice(18)])


def double_a_row(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(3, 1)])


def change_a_price(table: pa.Table) -> pa.Table:
    return with_value(table, "close", 5, table["close"][5].as_py() + 1e-9)


def swap_two_volumes(table: pa.Table) -> pa.Table:
    first, second = table["volume"][1].as_py(), table["volume"][2].as_py()
    return with_value(with_value(table, "volume", 1, second), "volume", 2, first)


def add_a_second_current(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, with_value(table.slice(3, 1), "close", 0, 50.5)])


def hide_a_bar(table: pa.Table) -> pa.Table:
    return with_value(table, "current", 4, False)


def move_a_row_to_the_next_week(table: pa.Table) -> pa.Table:
    later = table["timestamp"][7].as_py() + timedelta(days=7)
    return with_value(table, "timestamp", 7, later)


def rename_the_ticker(table: pa.Table) -> pa.Table:
    return with_value(table, "ticker", 0, "BBB")


def truncate(lake: Path) -> None:
    path = an_object(lake)
    path.write_bytes(path.read_bytes()[:-100])


def empty_file(lake: Path) -> None:
    an_object(lake).write_bytes(b"")


def foreign_object(lake: Path) -> None:
    (lake / "stock-data" / "AAA" / "notes.txt").write_text("remember the milk")


def object_in_the_wrong_month(lake: Path) -> None:
    path = an_object(lake)
    other = path.parents[1] / "02" / path.name
    other.parent.mkdir()
    path.rename(other)


def lose_an_object(lake: Path) -> None:
    an_object(lake).unlink()


def damage_a_fact(lake: Path) -> None:
    path = next((lake / "macro-data").rglob("*.parquet"))
    table = pq.read_table(path, partitioning=None)
    pq.write_table(with_value(table, "value", 0, 12345.0), path)


FAULTS: dict[str, tuple[Plant, str]] = {
    "lost row": (rewrite(lose_a_row), "lost"),
    "doubled row": (rewrite(double_a_row), "duplicated"),
    "wrong price": (rewrite(change_a_price), "lost"),
    "swapped volumes": (rewrite(swap_two_volumes), "lost"),
    "two currents": (rewrite(add_a_second_current), "duplicated"),
    "no current": (rewrite(hide_a_bar), "without_current"),
    "row of another week": (rewrite(move_a_row_to_the_next_week), "strays"),
    "row of another ticker": (rewrite(rename_the_ticker), "strays"),
    "truncated Parquet": (truncate, "strays"),
    "empty file": (empty_file, "strays"),
    "foreign object": (foreign_object, "strays"),
    "wrong month": (object_in_the_wrong_month, "strays"),
    "lost object": (lose_an_object, "lost"),
    "wrong fact": (damage_a_fact, "lost"),
}


# Against the files alone every fault is tried; the topics take longer to read.
SEEN_AGAINST_TOPICS = ("lost row", "doubled row", "wrong price", "two currents", "lost object", "wrong fact")


def test_verify_good_lake_passes_against_topics_and_files(demo: Demo, lake: Path) -> None:
    code, found = verified("--bars", str(demo.source.folder), "--timezone", NAIVE_ZONE)
    assert (code, found["verified"]) == (0, True)
    assert found["compared_with"] == ["files", "topics"]
    source = demo.source
    assert found["bars_in_files"] == source.rows
    assert (found["bars_duplicate"], found["bars_rejected"]) == (source.repeated, source.bad)
    for ticker in ("AAA", "BBB", "CCC"):
        for week in found["by_ticker"][ticker]["weeks"]:
            assert week["lake_hash"] == week["source_hash"]


@pytest.mark.parametrize(
    "fault", ["lost row", "doubled row", "wrong price", "two currents", "lost object", "wrong fact"]
)
def test_verify_planted_fault_fails_against_the_topics(lake: Path, fault: str) -> None:
    plant, count = FAULTS[fault]
    plant(lake)
    code, found = verified()
    assert (code, found["verified"]) == (1, False)
    assert found[count] > 0


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "wrong fact"])
def test_verify_planted_fault_fails_against_the_files_alone(demo: Demo, lake: Path, fault: str) -> None:
    plant, count = FAULTS[fault]
    plant(lake)
    code, found = verified("--no-topics", "--bars", str(demo.source.folder), "--timezone", NAIVE_ZONE)
    assert (code, found["verified"]) == (1, False)
    assert found[count] > 0


def test_verify_faults_are_named_on_the_terminal(lake: Path) -> None:
    rewrite(lose_a_row)(lake)
    result = run_command("verify", "lake")
    assert result.exit_code == 1
    assert "AAA 2026-W03: 1 versions of the topics are not in the lake" in result.stdout
    assert "NOT verified" in result.stdout


def test_verify_row_that_no_topic_has_is_unexplained(lake: Path) -> None:
    rewrite(lambda t: pa.concat_tables([t, with_value(hidden(t.slice(3, 1)), "close", 0, 50.5)]))(lake)
    code, found = verified()
    assert (code, found["unexplained"], found["lost"]) == (1, 1, 0)


def hidden(table: pa.Table) -> pa.Table:
    return with_value(table, "current", 0, False)


def test_verify_only_some_tickers_looks_at_no_other(lake: Path) -> None:
    truncate(lake)
    code, found = verified("--tickers", "BBB,CCC")
    assert (code, found["tickers"]) == (0, 2)


@pytest.mark.usefixtures("lake")
def test_verify_of_the_days_of_a_backfill_takes_no_other_day_of_the_files_for_lost(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    midnight = timedelta(hours=9, minutes=30)  # so long before the open, New York
    outside = (DAYS[0] - midnight - timedelta(minutes=1), DAYS[-1] - midnight + timedelta(days=1))
    lines = [(demo.source.folder / "CCC_1min.csv").read_text().rstrip(), *(row("CCC", at) for at in outside)]
    (folder / "CCC_1min.csv").write_text("\n".join(lines) + "\n")
    files = ("--no-topics", "--tickers", "CCC", "--bars", str(folder), "--timezone", NAIVE_ZONE)
    start, end = ("--start", str(DAYS[0].date())), ("--end", str(DAYS[-1].date()))
    lost = {given: verified(*files, *given)[1]["lost"] for given in ((), start, end)}
    assert lost == {(): 2, start: 1, end: 1}
    code, found = verified(*files, *start, *end)
    assert (code, found["lost"], found["unexplained"]) == (0, 0, 0)


def test_verify_missing_day_and_minute_are_gaps_and_no_fault(lake: Path) -> None:
    assert gaps_of_aaa() == {"sessions": 5, "missing_sessions": 0, "missing_minutes": 4 * (390 - MINUTES)}
    gone = {MINUTES + 5, *range(2 * MINUTES, 3 * MINUTES)}
    rewrite(lambda table: table.filter(pa.array([n not in gone for n in range(table.num_rows)])))(lake)
    assert gaps_of_aaa() == {"sessions": 4, "missing_sessions": 1, "missing_minutes": 3 * (390 - MINUTES) + 1}
    shown = run_command("verify", "lake", "--no-topics", "--tickers", "AAA").stdout
    header, row = (line.split("\t") for line in shown.splitlines() if "\t" in line)
    assert dict(zip(header, row, strict=True))["missing minutes"] == "1051"


def gaps_of_aaa() -> dict[str, int]:
    code, found = verified("--no-topics", "--tickers", "AAA")
    assert (code, found["verified"]) == (0, True)
    gaps: dict[str, int] = found["by_ticker"]["AAA"]["gaps"]
    assert (found["missing_sessions"], found["missing_minutes"]) == (gaps["missing_sessions"], gaps["missing_minutes"])
    return gaps


def test_verify_report_has_every_week(lake: Path, tmp_path: Path) -> None:
    report = tmp_path / "verify.json"
    assert run_command("verify", "lake", "--report", str(report)).exit_code == 0
    weeks = json.loads(report.read_text())["by_ticker"]["AAA"]["weeks"]
    assert [week["week"] for week in weeks] == ["2026-W03"]
    assert len(weeks[0]["lake_hash"]) == 16


def test_verify_record_that_was_refused_is_accounted_for_by_its_dead_letter(demo: Demo, lake: Path) -> None:
    bad = Outgoing(BARS_HISTORY.name, b"AAA", b"no arrow at all", {"schema": BARS_HISTORY.schema.encode()})
    with KafkaWriter(embedded(demo.addresses.home).kafka, "test-verify") as writer:
        writer.send(bad)
        writer.flush(30)
    found = eventually(lambda: refused_by_now(1))
    assert (found["verified"], found["unaccounted"]) == (True, 0)


def refused_by_now(least: int) -> dict[str, Any] | None:
    _, found = verified()
    return found if found["refused_in_topics"] >= least else None
