"""Each kill that `make test` does: half at failpoints, half with work in flight; after each, 0 lost and 0 twice."""

import signal
from itertools import count

import pytest

from shared.testing.eventually import eventually
from tests.torture.harness import PATIENCE, Torture, World, random_round

numbers = count(1)

PRODUCER_FAILPOINTS = [
    "producers.stock.after_send=kill@1",
    "producers.stock.after_send=kill@2",
    "producers.stock.after_send=kill@4",
    "producers.stock.after_send=kill@6",
    "producers.stock.after_cursor=kill@1",
    "producers.stock.before_confirm=kill@1",
]
CONSUMER_FAILPOINTS = [
    "consumers.stock.before_flush=kill@1",
    "consumers.stock.inside_merge=kill@1",
    "consumers.stock.inside_merge=kill@2",
    "consumers.stock.inside_merge=kill@3",
    "consumers.stock.after_write=kill@1",
    "consumers.stock.before_commit=kill@1",
    "consumers.stock.after_commit=kill@1",
]


@pytest.mark.parametrize("failpoint", PRODUCER_FAILPOINTS)
def test_producer_killed_at_failpoint_resumes_its_run(ours: Torture, failpoint: str) -> None:
    world = World(next(numbers))
    ours.died_at_failpoint(ours.producer(world, failpoint))
    ours.finished(ours.producer(world))
    consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


@pytest.mark.parametrize("failpoint", CONSUMER_FAILPOINTS)
def test_consumer_killed_at_failpoint_loses_and_doubles_nothing(ours: Torture, failpoint: str) -> None:
    world = World(next(numbers))
    ours.finished(ours.producer(world))
    ours.died_at_failpoint(ours.consumer(failpoint))
    consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


@pytest.mark.parametrize("seed", range(4))
def test_producer_and_consumer_killed_at_random_lose_and_double_nothing(ours: Torture, seed: int) -> None:
    random_round(ours, next(numbers), seed)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_broker_killed_with_work_in_flight_loses_and_doubles_nothing(ours: Torture, share: float) -> None:
    world = World(next(numbers), tickers=6, sessions=35)
    before = ours.sent()
    producer, consumer = ours.producer(world), ours.consumer()
    messages = 6 * 7
    eventually(lambda: ours.sent() >= before + share * messages or producer.poll() is not None, seconds=PATIENCE)
    ours.kafka.kill()
    ours.kills += 1
    ours.kafka.start()
    ours.kafka.wait_healthy()
    if producer.wait(PATIENCE) != 0:  # a producer that gave up waiting is started again, as a supervisor would
        ours.finished(ours.producer(world))
    if consumer.poll() is not None:
        consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


def test_consumer_stopped_past_its_session_does_no_harm_when_continued(ours: Torture) -> None:
    world = World(next(numbers), tickers=4, sessions=20)
    ours.finished(ours.producer(world))
    sleeper = ours.consumer("consumers.stock.before_commit=stop@1")
    eventually(lambda: _is_stopped(sleeper.pid), seconds=PATIENCE)
    ours.kills += 1
    second = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    sleeper.send_signal(signal.SIGCONT)
    later = World(next(numbers))
    ours.finished(ours.producer(later))
    ours.wait_landed(later)
    ours.compare(world)
    ours.compare(later)
    ours.end(second)
    ours.end(sleeper)


def test_at_least_twenty_kills_were_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if "test_kills" in item.nodeid]
    if len(chosen) < 10:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 20


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"
