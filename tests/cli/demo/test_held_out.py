"""The last session of files, kept back to be replayed."""

import io
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
from rich.console import Console

from cli.demo.held_out import before, day_before, last_session
from cli.live import stream
from cli.output import Output
from cli.pipeline.plan import Choice
from cli.progress import board
from cli.settings import embedded
from cli.verify.source_files import Source, read_source
from shared.testing.eventually import eventually
from tests.cli.conftest import Demo
from tests.cli.source_csv import DAYS, MINUTES, NAIVE_ZONE, TICKERS, write_source


def last(source: Source) -> date | None:
    with board(Output()) as shown:
        return last_session(source, shown.line("find last session", "files"))


def test_last_session_is_the_new_york_date_of_the_last_bar(tmp_path: Path) -> None:
    written = write_source(tmp_path / "bars")
    source = Source(written.folder, ZoneInfo(NAIVE_ZONE))
    assert last(source) == date(2026, 1, 16)
    assert day_before(date(2026, 1, 16)) == date(2026, 1, 15)
    rest = read_source(before(source, date(2026, 1, 16)))
    counted = sum(len(rest.bars.distinct(t, week)) for t in TICKERS for week in rest.bars.weeks(t))
    assert counted == written.different - MINUTES * len(TICKERS)


def test_single_session_is_not_kept_back(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text(
        "timestamp,open,high,low,close,volume\n2026-01-16 09:30:00,10,11,9,10,5\n2026-01-16 09:31:00,10,11,9,10,5\n"
    )
    assert last(Source(tmp_path, ZoneInfo(NAIVE_ZONE))) is None


def producer_child() -> psutil.Process | None:
    """Return the live producer that is a child of this process."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "--live" in (line := child.cmdline()) and "producers" in line:
                return child
    return None


def test_replayed_session_lands_in_the_lake_though_its_producer_is_killed(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    header, *rows = (demo.source.folder / "CCC_1min.csv").read_text().splitlines()
    (folder / "RPL.csv").write_text("\n".join([header, *rows]) + "\n")
    choice = Choice(bars=folder, timezone=NAIVE_ZONE, start=DAYS[-1].date(), again=True)
    arguments = replace(choice.arguments("stock"), live=True, speed=6.0 * MINUTES)  # ten seconds
    mark = demo.addresses.home.root / "state" / "producers" / "live-files.stock.json"
    mark.unlink(missing_ok=True)
    lines: list[list[str]] = []

    def kill_midway() -> None:
        eventually(mark.exists)
        first = eventually(producer_child)
        lines.append(first.cmdline())
        first.kill()
        lines.append(eventually(lambda: (new := producer_child()) and new.pid != first.pid and new.cmdline()))

    killer, said = threading.Thread(target=kill_midway), io.StringIO()
    killer.start()
    bars = stream(embedded(demo.addresses.home), Output(console=Console(file=said, width=200)), arguments)
    killer.join()

    assert bars >= MINUTES
    assert [line for line in said.getvalue().splitlines() if "started again" in line] == [
        "the live producer was killed by signal 9; it is started again and goes on where it stands"
    ]
    assert ["--again" in line for line in lines] == [True, False]
    eventually(lambda: demo.command("lake", "head", "RPL").exit_code == 0)
    rows_of_lake = eventually(
        lambda: len(found := demo.command.json("lake", "head", "RPL", "-n", "500")) >= MINUTES and found
    )
    assert len(rows_of_lake) == MINUTES
    assert {row["source"] for row in rows_of_lake} == {"replay"}


def test_demo_without_once_replays_the_last_session_and_leaves_the_stack_up(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    (folder / "GOES.csv").write_text((demo.source.folder / "CCC_1min.csv").read_text())
    said = demo.command(
        *("demo", "--until", "lake", "--bars", str(folder), "--timezone", NAIVE_ZONE, "--speed", str(30 * MINUTES))
    )
    assert said.exit_code == 0, said.output
    assert f"replaying the session of {DAYS[-1].date()}, which was kept back" in said.stdout
    assert f"{MINUTES:,} live bars came by" in said.stdout
    assert "the stack stays up" in said.stdout
    assert demo.command("status").exit_code == 0
    of_all_days = len(DAYS) * MINUTES
    rows = eventually(
        lambda: len(found := demo.command.json("lake", "head", "GOES", "-n", "5000")) >= of_all_days and found
    )
    assert len(rows) == of_all_days
    sources = {row["timestamp"][:10]: row["source"] for row in rows}
    assert sources.pop(str(DAYS[-1].date())) == "replay"
    assert set(sources.values()) == {"files"}
