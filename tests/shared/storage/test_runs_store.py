"""Runs on a real PostgreSQL: when one is done, and that exactly one of several members learns it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from sqlalchemy import Engine

from shared.contracts.runs import PartitionCount, RunAborted, RunDeclared, TopicConfirmed
from shared.settings import PostgresSettings
from shared.storage.offsets import Claim, OffsetStore, SourcePartition
from shared.storage.postgres import make_engine, transaction
from shared.storage.runs_store import Run, RunsStore

AT = datetime(2025, 1, 6, tzinfo=UTC)
RUNS = RunsStore()


def declared(
    run_id: str = "r1", attempt: int = 1, run_set: str = "set", topics: tuple[str, ...] = ("bars", "macro")
) -> RunDeclared:
    return RunDeclared(
        run_id=run_id, run_set=run_set, topics=topics, source="files", simulated=False, attempt=attempt,
        settings={"folder": "x"}, at=AT,
    )  # fmt: skip


def confirmed(topic: str, *offsets: int, run_id: str = "r1", attempt: int = 1) -> TopicConfirmed:
    counts = [PartitionCount(partition=p, next_offset=o, records=o, rows=10 * o) for p, o in enumerate(offsets) if o]
    return TopicConfirmed(run_id=run_id, topic=topic, attempt=attempt, partitions=tuple(counts), at=AT)


def declare(engine: Engine, event: RunDeclared) -> list[str]:
    with transaction(engine) as connection:
        return RUNS.declare(connection, event)


def confirm(engine: Engine, event: TopicConfirmed) -> bool:
    """As the owner of `runs` does it; returns whether the run was done by it."""
    with transaction(engine) as connection:
        assert RUNS.confirm(connection, event, f"id-{event.topic}")
        return RUNS.finish_if_done(connection, event.run_id)


def claim(engine: Engine, topic: str, partition: int) -> Claim:
    return OffsetStore(engine).claim(SourcePartition(topic, f"id-{topic}", partition), 0, "me")


def read(engine: Engine, claim: Claim, next_offset: int, run_id: str = "r1") -> bool:
    with transaction(engine) as connection:
        OffsetStore(engine).advance(connection, claim, next_offset)
        return RUNS.finish_if_done(connection, run_id)


def get(engine: Engine, run_id: str = "r1") -> Run:
    with transaction(engine) as connection:
        found = RUNS.get(connection, run_id)
    assert found is not None
    return found


def test_run_is_done_once_everything_confirmed_is_read(engine: Engine) -> None:
    assert declare(engine, declared()) == []
    bars = [claim(engine, "bars", partition) for partition in range(2)]
    macro = claim(engine, "macro", 0)
    assert not read(engine, bars[0], 4)
    assert not confirm(engine, confirmed("bars", 4, 6))
    assert not confirm(engine, confirmed("macro", 1))
    assert get(engine).topics == {"bars": False, "macro": False}
    assert not read(engine, bars[1], 9)  # further than the run needs
    assert get(engine).topics == {"bars": True, "macro": False}
    assert read(engine, macro, 1)
    assert not read(engine, Claim(macro.source, macro.epoch, 1), 2)
    run = get(engine)
    assert (run.state, run.rows, run.topics) == ("done", {"bars": 100, "macro": 10}, {"bars": True, "macro": True})
    assert run.finished_at is not None


def test_confirmation_that_comes_last_finishes_the_run(engine: Engine) -> None:
    declare(engine, declared(topics=("bars",)))
    assert not read(engine, claim(engine, "bars", 0), 4)
    assert confirm(engine, confirmed("bars", 4))
    assert not confirm(engine, confirmed("bars", 4))


def test_topic_without_any_record_is_done_when_confirmed(engine: Engine) -> None:
    declare(engine, declared())
    assert not confirm(engine, confirmed("bars"))
    assert get(engine).topics == {"bars": True, "macro": False}
    assert confirm(engine, confirmed("macro"))


def test_partition_that_nobody_read_is_not_done(engine: Engine) -> None:
    declare(engine, declared(topics=("bars",)))
    assert not confirm(engine, confirmed("bars", 0, 0, 3))
    assert read(engine, claim(engine, "bars", 2), 3)


def test_offsets_of_an_earlier_topic_do_not_count(engine: Engine) -> None:
    declare(engine, declared(topics=("bars",)))
    old = SourcePartition("bars", "id-before", 0)
    assert not read(engine, OffsetStore(engine).claim(old, 0, "me"), 100)
    assert not confirm(engine, confirmed("bars", 4))


def test_members_that_finish_at_once_learn_it_exactly_once(engine: Engine, database: PostgresSettings) -> None:
    members = 4
    barrier = Barrier(members + 1)
    declare(engine, declared(topics=("bars",)))
    claims = [claim(engine, "bars", partition) for partition in range(members)]
    engines = [make_engine(database) for _ in range(members + 1)]

    def member(place: int) -> bool:
        with transaction(engines[place]) as connection:
            if place < members:
                OffsetStore(engines[place]).advance(connection, claims[place], 5)
            else:
                RUNS.confirm(connection, confirmed("bars", *[5] * members), "id-bars")
            barrier.wait(30)  # nobody has committed, everybody has written
            return RUNS.finish_if_done(connection, "r1")

    with ThreadPoolExecutor(members + 1) as pool:
        told = list(pool.map(member, range(members + 1)))
    for one in engines:
        one.dispose()
    assert sorted(told) == [False] * members + [True]
    assert get(engine).state == "done"


def test_same_record_again_changes_nothing(engine: Engine) -> None:
    declare(engine, declared())
    confirm(engine, confirmed("bars", 4))
    before = get(engine)
    assert declare(engine, declared()) == []
    confirm(engine, confirmed("bars", 4))
    assert get(engine) == before


def test_newer_run_of_the_set_supersedes_what_is_in_progress(engine: Engine) -> None:
    declare(engine, declared("r1"))
    declare(engine, declared("other", run_set="another set"))
    assert declare(engine, declared("r2")) == ["r1"]
    assert (get(engine).state, get(engine).reason) == ("superseded", "run r2 of the same set is newer")
    with transaction(engine) as connection:
        assert [run.run_id for run in RUNS.in_progress(connection)] == ["other", "r2"]
        assert [run.run_id for run in RUNS.all(connection)] == ["r2", "other", "r1"]
    assert declare(engine, declared("r1")) == []  # the old declaration read again
    assert get(engine).state == "superseded"
    assert declare(engine, declared("r1", attempt=2)) == ["r2"]
    assert get(engine).state == "declared"


def test_superseded_or_aborted_run_is_never_done(engine: Engine) -> None:
    declare(engine, declared("r1", topics=("bars",)))
    declare(engine, declared("r2", topics=("bars",)))
    assert not confirm(engine, confirmed("bars"))
    with transaction(engine) as connection:
        assert RUNS.abort(connection, RunAborted(run_id="r2", reason="changed my mind", at=AT))
        assert not RUNS.abort(connection, RunAborted(run_id="r2", reason="again", at=AT))
    assert not confirm(engine, confirmed("bars", run_id="r2"))
    assert (get(engine, "r2").state, get(engine, "r2").reason) == ("aborted", "changed my mind")


def test_finished_run_stays_finished(engine: Engine) -> None:
    declare(engine, declared(topics=("bars",)))
    assert confirm(engine, confirmed("bars"))
    declare(engine, declared(attempt=2, topics=("bars",)))
    assert declare(engine, declared("r2")) == []
    with transaction(engine) as connection:
        assert not RUNS.abort(connection, RunAborted(run_id="r1", reason="late", at=AT))
    assert get(engine).state == "done"


def test_confirmation_of_an_earlier_attempt_does_not_replace_a_later_one(engine: Engine) -> None:
    declare(engine, declared(topics=("bars",)))
    confirm(engine, confirmed("bars", 9, attempt=2))
    confirm(engine, confirmed("bars", 4, attempt=1))
    assert not read(engine, claim(engine, "bars", 0), 4)


def test_unknown_run_is_none(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert RUNS.get(connection, "nope") is None
        assert not RUNS.confirm(connection, confirmed("bars", run_id="nope"), "id")
        assert not RUNS.finish_if_done(connection, "nope")
