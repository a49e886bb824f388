"""A consumer killed at each failpoint, or stopped past its session; after each 0 lost and 0 twice."""

import signal

import pytest

from shared.testing.eventually import eventually
from tests.torture.harness import PATIENCE, Torture, is_stopped

CONSUMER_FAILPOINTS = [
    "consumers.stock.before_flush=kill@1",
    "consumers.stock.inside_merge=kill@1",
    "consumers.stock.inside_merge=kill@2",
    "consumers.stock.inside_merge=kill@3",
    "consumers.stock.after_write=kill@1",
    "consumers.stock.before_commit=kill@1",
    "consumers.stock.after_commit=kill@1",
]


@pytest.mark.parametrize("failpoint", CONSUMER_FAILPOINTS)
def test_consumer_killed_at_failpoint_loses_and_doubles_nothing(ours: Torture, failpoint: str) -> None:
    world = ours.new_world()
    ours.finished(ours.producer(world))
    ours.died_at_failpoint(ours.consumer(failpoint))
    consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


def test_consumer_stopped_past_its_session_does_no_harm_when_continued(ours: Torture) -> None:
    world = ours.new_world(tickers=4, sessions=20)
    ours.finished(ours.producer(world))
    sleeper = ours.consumer("consumers.stock.before_commit=stop@1")
    eventually(lambda: is_stopped(sleeper.pid), seconds=PATIENCE)
    ours.kills += 1
    second = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    sleeper.send_signal(signal.SIGCONT)
    later = ours.new_world()
    ours.finished(ours.producer(later))
    ours.wait_landed(later)
    ours.compare(world)
    ours.compare(later)
    ours.end(second)
    ours.end(sleeper)


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 8
