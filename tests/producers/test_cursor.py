"""The cursor on disk: whole, locked, and void where what it tells of is gone."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from producers.cursor import Cursor, Place, cursor_path
from producers.tally import Tally
from shared.errors import ConfigurationError
from shared.ports import Position

HERE = Place("cluster", {"h_alpaca": "id1"})


def tally(rows: int, offset: int) -> Tally:
    tally = Tally(problems=["files:x: no header"])
    topic = tally.topic("h_alpaca")
    topic.read = rows + 3
    topic.duplicates, topic.rejected = 2, 1
    topic.delivered(Position("h_alpaca", 4, offset), rows)
    return tally


Open = Callable[..., Cursor]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the cursor, as often as wanted; all are closed at the end."""
    with ExitStack() as resources:

        def open_cursor(identity: str = "same", place: Place = HERE) -> Cursor:
            cursor = Cursor(cursor_path(tmp_path, "run", "stock"), "run", identity, place)
            resources.callback(cursor.close)
            return cursor

        yield open_cursor


def test_cursor_tells_after_a_restart_what_was_finished(opened: Open) -> None:
    cursor = opened()
    cursor.begin(1, afresh=False)
    cursor.finish("a", tally(5, 10))
    cursor.finish("b", tally(7, 8))
    cursor.save()
    cursor.close()

    again = opened()

    assert "a" in again
    assert "c" not in again
    assert again.begun
    assert not again.confirmed
    assert again.attempt == 1
    total = again.total().topic("h_alpaca")
    assert (total.read, total.published, total.records, total.duplicates, total.rejected) == (18, 12, 2, 4, 2)
    assert [c.next_offset for c in total.partition_counts()] == [11]
    assert again.total().problems == ["files:x: no header"] * 2


def test_cursor_is_locked_while_open(opened: Open) -> None:
    cursor = opened()
    with pytest.raises(ConfigurationError, match="another process"):
        opened()
    cursor.close()
    opened().close()


@pytest.mark.parametrize("place", [Place("other", {"h_alpaca": "id1"}), Place("cluster", {"h_alpaca": "id2"})])
def test_cursor_of_another_broker_or_topic_is_void(opened: Open, place: Place) -> None:
    cursor = opened()
    cursor.finish("a", tally(5, 10))
    cursor.confirm()
    cursor.close()
    again = opened(place=place)
    assert again.void
    assert "a" not in again
    assert not again.confirmed


def test_cursor_of_other_input_is_refused(opened: Open) -> None:
    cursor = opened()
    cursor.save()
    cursor.close()
    with pytest.raises(ConfigurationError, match="--run-id"):
        opened(identity="other")
    opened().close()  # and the lock is free again


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"run_id": 1}'])
def test_cursor_that_cannot_be_read_begins_again(opened: Open, tmp_path: Path, damage: bytes) -> None:
    path = cursor_path(tmp_path, "run", "stock")
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    cursor = opened()
    assert not cursor.begun
    cursor.finish("a", tally(5, 10))
    cursor.save()
    assert json.loads(path.read_bytes())["run_id"] == "run"


def test_first_finished_unit_is_on_disk_at_once_however_slow_the_disk(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.fsync

    def slowly(file: int) -> None:
        time.sleep(0.1)
        write(file)

    monkeypatch.setattr(os, "fsync", slowly)
    cursor = opened()
    cursor.begin(1, afresh=False)

    assert cursor.finish("a", tally(5, 10))
    assert not cursor.finish("b", tally(7, 8))  # what the disk takes for a note is a small share of the run

    assert list(json.loads(cursor_path(tmp_path, "run", "stock").read_bytes())["units"]) == ["a"]


def test_cursor_begun_afresh_forgets(opened: Open) -> None:
    cursor = opened()
    cursor.finish("a", tally(5, 10))
    cursor.confirm()
    cursor.begin(2, afresh=True)
    assert not cursor.begun
    assert not cursor.confirmed
    assert cursor.attempt == 2
