"""Files told again as if live: which bars, in which order, at which pace, marked as what they are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from producers.files.options import FileOptions
from producers.files.replay import FilesReplay
from producers.source import Bars, Item
from shared.clock import ManualClock
from tests.producers.files.parts import csv, minutes, write

MONDAY = datetime(2025, 1, 6, 5, tzinfo=UTC)
TUESDAY = datetime(2025, 1, 7, 5, tzinfo=UTC)  # midnight in New York


def prepared(tmp_path: Path) -> Path:
    for ticker in ("AAA", "BBB"):
        times = [at for day in ("2025-01-06", "2025-01-07") for at in minutes(3, day)]
        rows = [f"{at},10,11,9,10,{100 + i}" for i, at in enumerate(times)]
        write(tmp_path / f"{ticker}.csv", csv(rows))
    return tmp_path


def told(
    root: Path, clock: ManualClock, resume_after: datetime | None = None, start: datetime | None = None
) -> list[Sequence[Item]]:
    chosen = FileOptions(timezone="America/New_York", start=start)
    replay = FilesReplay(root, chosen, clock, 60.0, resume_after, clock.advance)
    return [batch for batch in replay.stream(lambda: False) if batch]


def bars_of(batches: list[Sequence[Item]]) -> pl.DataFrame:
    return pl.concat([item.frame for batch in batches for item in batch if isinstance(item, Bars)])


def test_replay_tells_each_minute_of_all_tickers_when_it_is_due(tmp_path: Path) -> None:
    clock = ManualClock(MONDAY)
    batches = told(prepared(tmp_path), clock, start=TUESDAY)
    assert [len(batch) for batch in batches] == [2, 2, 2, 1]  # three minutes of two tickers, and a note
    assert clock.monotonic() == 2.0  # a minute a second
    bars = bars_of(batches)
    assert bars["ticker"].to_list() == ["AAA", "BBB"] * 3
    assert bars["timestamp"].dt.date().unique().to_list() == [TUESDAY.date()]


def test_replay_marks_its_bars_and_keeps_their_nominal_known_time(tmp_path: Path) -> None:
    bars = bars_of(told(prepared(tmp_path), ManualClock(MONDAY)))
    assert bars["source"].unique().to_list() == ["replay"]
    assert bars["known_basis"].unique().to_list() == ["nominal"]
    assert (bars["known_at"] - bars["timestamp"]).dt.total_seconds().unique().to_list() == [60]


def test_replay_cuts_the_night_short(tmp_path: Path) -> None:
    clock = ManualClock(MONDAY)
    told(prepared(tmp_path), clock)
    assert clock.monotonic() == 5.0  # six minutes


def test_replay_resumed_goes_on_after_what_was_told(tmp_path: Path) -> None:
    first = told(prepared(tmp_path), ManualClock(MONDAY))
    until = bars_of(first)["known_at"].sort()[5]
    rest = bars_of(told(tmp_path, ManualClock(MONDAY), until))
    assert rest.height == 12 - 6
    assert rest["known_at"].min() > until  # type: ignore[operator]


def test_replay_of_an_empty_range_only_says_that_it_is_over(tmp_path: Path) -> None:
    batches = told(prepared(tmp_path), ManualClock(MONDAY), start=datetime(2025, 2, 1, tzinfo=UTC))
    assert len(batches) == 1


def test_replay_told_to_stop_stops(tmp_path: Path) -> None:
    clock = ManualClock(MONDAY)
    replay = FilesReplay(prepared(tmp_path), FileOptions(timezone="America/New_York"), clock, 60.0, None, clock.advance)
    assert list(replay.stream(lambda: True)) == []
