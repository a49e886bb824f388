"""Producer, consumer and broker killed with work in flight; after each 0 lost and 0 twice."""

import pytest

from shared.testing.eventually import eventually
from tests.torture.harness import PATIENCE, Torture, random_round


@pytest.mark.parametrize("seed", range(4))
def test_producer_and_consumer_killed_at_random_lose_and_double_nothing(ours: Torture, seed: int) -> None:
    random_round(ours, seed)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_broker_killed_with_work_in_flight_loses_and_doubles_nothing(ours: Torture, share: float) -> None:
    world = ours.new_world(tickers=6, sessions=35)
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


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 6
