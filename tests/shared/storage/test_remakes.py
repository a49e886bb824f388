"""Requests to make rows again on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Engine

from shared.storage.postgres import transaction
from shared.storage.remakes import Remake, RemakeQueue

QUEUE = RemakeQueue()
SINCE = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
REMAKE = Remake(2, "AAPL", SINCE, SINCE.replace(hour=20), "a late vintage of GDPC1", "GDPC1/1")


def test_request_is_stored_once_and_waits_for_its_partitions_owner(engine: Engine) -> None:
    everybody = replace(REMAKE, partition=3, ticker=None, unique="GDPC1/1/3")
    with transaction(engine) as connection:
        assert QUEUE.add(connection, [REMAKE, everybody, REMAKE]) == 2
        assert QUEUE.add(connection, [REMAKE]) == 0
        assert [one.remake for one in QUEUE.pending(connection, [2])] == [REMAKE]
        assert [one.remake for one in QUEUE.pending(connection, [3, 2])] == [REMAKE, everybody]
        assert QUEUE.pending(connection, [1]) == []


def test_done_request_does_not_come_back(engine: Engine) -> None:
    with transaction(engine) as connection:
        QUEUE.add(connection, [replace(REMAKE, unique=f"{number}") for number in range(5)])
        first = QUEUE.pending(connection, [2], limit=2)
        QUEUE.done(connection, [one.request_id for one in first], batch_id=7)
        assert [one.remake.unique for one in QUEUE.pending(connection, [2])] == ["2", "3", "4"]
        assert QUEUE.add(connection, [replace(REMAKE, unique="0")]) == 0


def test_requests_that_are_left_are_counted_by_their_key(engine: Engine) -> None:
    with transaction(engine) as connection:
        QUEUE.add(connection, [replace(REMAKE, unique=f"rebuild/a/{number}") for number in range(3)])
        QUEUE.add(connection, [replace(REMAKE, unique="rebuild/b/0")])
        assert (QUEUE.left(connection, "rebuild/a/"), QUEUE.left(connection, "rebuild/")) == (3, 4)
        first = QUEUE.pending(connection, [2], limit=1)[0]
        QUEUE.done(connection, [first.request_id])
        assert QUEUE.left(connection, "rebuild/a/") == 2
