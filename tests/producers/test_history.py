"""A run's life: declared, published, confirmed; broken off and resumed; repeated; refused."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.source import Bars, Fact, Note, Refused
from shared.contracts.facts import CorporateAction
from shared.contracts.runs import RunDeclared, TopicConfirmed
from shared.contracts.topics import BARS_HISTORY, CORPORATE_ACTIONS
from shared.errors import ConfigurationError, TransientError
from shared.ports import Outgoing
from tests.producers.parts import MONDAY, Bench, ListSource, bars, week_items


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def confirmations(bench: Bench) -> dict[str, TopicConfirmed]:
    return {event.topic: event for event in bench.events if isinstance(event, TopicConfirmed)}


def attempts(bench: Bench) -> list[int]:
    return [event.attempt for event in bench.events if isinstance(event, RunDeclared)]


def test_run_is_declared_published_and_confirmed(bench: Bench) -> None:
    source = ListSource(week_items(["AAA", "BBB"], weeks=2))

    assert bench.start(source) == 0

    assert bench.bars.height == 12
    first, *rest = bench.events
    assert isinstance(first, RunDeclared)
    assert first.topics == (BARS_HISTORY.name, CORPORATE_ACTIONS.name)
    assert [type(event) for event in rest] == [TopicConfirmed, TopicConfirmed]
    ends = {p: log.high for p, log in enumerate(bench.broker.topics[BARS_HISTORY.name].logs) if log.high}
    confirmed = confirmations(bench)[BARS_HISTORY.name]
    assert {p.partition: p.next_offset for p in confirmed.partitions} == ends
    assert sum(p.rows for p in confirmed.partitions) == 12
    assert sum(p.records for p in confirmed.partitions) == 4
    assert confirmations(bench)[CORPORATE_ACTIONS.name].partitions == ()
    assert bench.summary["bars_read"] == bench.summary["published"] == 12
    assert not bench.summary["resumed"]
    for record in bench.broker.records(BARS_HISTORY.name):
        assert record.headers == {
            "run": first.run_id.encode(), "source": b"test", "simulated": b"0", "rows": b"3", "schema": b"bars/1.0"
        }  # fmt: skip


def test_confirmed_run_is_not_repeated_unless_asked(bench: Bench) -> None:
    source = ListSource(week_items(["AAA"]))
    bench.start(source)
    assert bench.start(source) == 0
    assert bench.summary["already_done"]
    assert bench.summary["published"] == 3
    assert bench.bars.height == 3

    assert bench.start(source, again=True) == 0
    assert attempts(bench) == [1, 2]
    assert bench.bars.height == 6
    assert bench.summary["published"] == 3


def test_confirmed_run_is_known_without_its_cursor(bench: Bench) -> None:
    source = ListSource(week_items(["AAA"]) | {"bad": [Refused("files:x", 1, b"x", 1, "no", "bad_row")]})
    bench.start(source)
    for path in bench.home.rglob("*.json"):
        path.unlink()
    assert bench.start(source) == 0
    assert bench.summary["already_done"]
    assert (bench.summary["read"], bench.summary["rejected"], bench.summary["published"]) == (4, 1, 3)


def test_broken_off_run_goes_on_behind_what_is_confirmed(bench: Bench) -> None:
    content = week_items(["AAA", "BBB", "CCC"], weeks=2)
    content["BBB"].insert(1, TransientError("away"))
    source = ListSource(content)
    with pytest.raises(TransientError):
        bench.start(source)
    assert confirmations(bench) == {}

    assert bench.start(source) == 0

    assert source.reads == ["AAA", "BBB", "BBB", "CCC"]
    assert attempts(bench) == [1, 2]
    assert bench.summary["resumed"]
    assert bench.summary["published"] == 18
    assert confirmations(bench)[BARS_HISTORY.name].attempt == 2
    assert bench.bars.unique().height == 18


@given(st.lists(st.integers(1, 12), max_size=5))
def test_run_killed_at_any_record_any_number_of_times_loses_nothing(kills: list[int]) -> None:
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home))
        source = ListSource(week_items(["AAA", "BBB", "CCC"], weeks=3))
        for kill in kills:
            left = iter(range(kill))

            def die(left: object = left) -> None:
                if next(left, None) is None:  # type: ignore[call-overload]
                    raise KeyboardInterrupt

            bench.on_send = die
            try:
                bench.start(source)
            except KeyboardInterrupt:
                continue
        bench.on_send = lambda: None
        bench.start(source)
        everything = pl.concat([bars(t, week=w) for t in ("AAA", "BBB", "CCC") for w in range(3)])
        assert bench.bars.unique().sort("ticker", "timestamp").equals(everything.sort("ticker", "timestamp"))
        confirmed = confirmations(bench)[BARS_HISTORY.name]
        assert sum(p.rows for p in confirmed.partitions) == 27
        assert sum(p.records for p in confirmed.partitions) == 9
        for count in confirmed.partitions:
            log = bench.broker.topics[BARS_HISTORY.name].logs[count.partition]
            assert count.next_offset <= log.high
        covered = {
            (r.key, r.value)
            for r in bench.broker.records(BARS_HISTORY.name)
            if r.position.offset < {p.partition: p.next_offset for p in confirmed.partitions}[r.position.partition]
        }
        assert len(covered) == 9


def test_unconfirmed_records_keep_their_unit_out_of_the_cursor(bench: Bench) -> None:
    source = ListSource(week_items(["AAA", "BBB"]))
    bench.start(ListSource(week_items(["XXX"])))  # another run, to have the topics used
    sent = iter(range(2))

    def cut() -> None:
        bench.broker.available = next(sent, None) is None or bench.broker.available
        if not bench.stopping():
            bench.stopping.set()
            bench.broker.available = False

    bench.on_send = cut
    assert bench.start(source) == 0  # stopped while Kafka was away
    assert bench.reporter.ends[-1][0] == "stopped"
    bench.broker.available = True
    bench.on_send = lambda: None
    bench.stopping = type(bench.stopping)()
    assert bench.start(source) == 0
    assert set(bench.bars["ticker"]) == {"AAA", "BBB", "XXX"}


def test_stopped_run_says_so_and_goes_on_later(bench: Bench) -> None:
    source = ListSource(week_items(["AAA", "BBB"], weeks=2))
    bench.on_send = lambda: bench.stopping.set() if bench.bars.height == 3 else None
    assert bench.start(source) == 0
    assert bench.reporter.ends[-1][0] == "stopped"
    assert confirmations(bench) == {}
    bench.stopping = type(bench.stopping)()
    bench.on_send = lambda: None
    assert bench.start(source) == 0
    assert bench.summary["published"] == 12
    assert bench.bars.unique().height == 12


def test_cursor_of_topics_that_are_gone_is_void(bench: Bench) -> None:
    source = ListSource(week_items(["AAA"]))
    bench.start(source)
    bench.broker.make_topic(BARS_HISTORY.name, 3)
    assert bench.start(source) == 0
    assert not bench.summary["already_done"]
    assert bench.bars.height == 3
    assert attempts(bench) == [1, 2]


def test_run_id_of_other_input_is_refused(bench: Bench) -> None:
    bench.start(ListSource(week_items(["AAA"])), run_id="mine")
    with pytest.raises(ConfigurationError, match="--run-id"):
        bench.start(ListSource(week_items(["BBB"])), run_id="mine")


def test_run_of_a_caller_is_confirmed_but_not_declared(bench: Bench) -> None:
    bench.start(ListSource(week_items(["AAA"])), run_id="mine")
    assert [type(event) for event in bench.events] == [TopicConfirmed, TopicConfirmed]
    assert {event.run_id for event in bench.events} == {"mine"}


def test_run_of_a_caller_declared_again_is_confirmed_again(bench: Bench) -> None:
    source = ListSource(week_items(["AAA"]))
    bench.start(source, run_id="mine")
    declared = RunDeclared(
        run_id="mine", run_set="s", topics=("t",), source="test", simulated=False, attempt=2, at=MONDAY
    )
    bench.broker.append(Outgoing("runs", b"mine", declared.encode()))
    bench.start(source, run_id="mine")
    assert bench.summary["already_done"]
    assert confirmations(bench)[BARS_HISTORY.name].attempt == 2
    assert sum(p.rows for p in confirmations(bench)[BARS_HISTORY.name].partitions) == 3


def test_two_processes_do_not_publish_one_run(bench: Bench) -> None:
    source = ListSource(week_items(["AAA"]))

    def second() -> None:
        bench.on_send = lambda: None
        with pytest.raises(ConfigurationError, match="another process"):
            bench.start(source)

    bench.on_send = second
    assert bench.start(source) == 0


def test_refused_rows_and_damaged_files_are_dead_letters_and_the_rest_is_published(bench: Bench) -> None:
    bad = bars("AAA", 4).with_columns(volume=pl.when(pl.int_range(4) == 2).then(-1.0).otherwise(pl.col("volume")))
    source = ListSource(
        {
            "a": [Bars(bad, duplicates=2, origin="files:a", rows=pl.Series([11, 12, 13, 14]))],
            "b": [Note("files:b", "is short"), Refused("files:b", 0, b"head", 9, "no header", "wrong_header", rows=0)],
            "c": [Refused("files:c", 5, b"raw", 3, "no number", "bad_row")],
        }
    )

    assert bench.start(source) == 1

    letters = dict(bench.dead_letters)
    assert letters.keys() == {"volume is negative", "no header", "no number"}
    assert b'"volume": -1.0' in letters["volume is negative"]
    places = {r.headers["reason"]: r.headers["offset"] for r in bench.broker.records("dead_letters")}
    assert places == {b"volume is negative": b"13", b"no header": b"0", b"no number": b"5"}
    assert bench.reporter.lines == [("note", "files:b", "is short"), ("problem", "files:b", "no header")]
    expected = {"read": 7, "duplicates": 2, "rejected": 2, "published": 3, "problems": ["files:b: no header"]}
    assert {name: bench.summary[name] for name in expected} == expected
    assert (confirmations(bench)[BARS_HISTORY.name].rejected, confirmations(bench)[BARS_HISTORY.name].duplicates) == (
        2,
        2,
    )

    assert bench.start(source) == 1  # still true when asked again
    assert bench.summary["already_done"]
    assert bench.reporter.lines[-1][0] == "problem"


def test_facts_go_to_their_topics(bench: Bench) -> None:
    action = CorporateAction(
        ticker="AAA", action="split", ratio=2.0, ex_date=MONDAY.date(), known_at=MONDAY, known_basis="nominal",
        source="test",
    )  # fmt: skip
    bench.start(ListSource({"a": [Fact("AAA", action), *week_items(["AAA"])["AAA"]]}))
    (record,) = bench.broker.records(CORPORATE_ACTIONS.name)
    assert record.key == b"AAA"
    assert CorporateAction.decode(record.value) == action
    assert bench.summary["other_topics"] == {CORPORATE_ACTIONS.name: 1}
    assert sum(p.rows for p in confirmations(bench)[CORPORATE_ACTIONS.name].partitions) == 1


def test_too_many_rows_for_one_message_are_parted(bench: Bench) -> None:
    bench.start(ListSource({"a": [Bars(bars("AAA", 25_000))]}))
    assert [int(r.headers["rows"]) for r in bench.broker.records(BARS_HISTORY.name)] == [12_000, 12_000, 1_000]
