"""A producer killed at each failpoint; after each kill 0 lost and 0 twice."""

import pytest

from tests.torture.harness import Torture

PRODUCER_FAILPOINTS = [
    "producers.stock.after_send=kill@1",
    "producers.stock.after_send=kill@2",
    "producers.stock.after_send=kill@4",
    "producers.stock.after_send=kill@6",
    "producers.stock.after_cursor=kill@1",
    "producers.stock.before_confirm=kill@1",
]


@pytest.mark.parametrize("failpoint", PRODUCER_FAILPOINTS)
def test_producer_killed_at_failpoint_resumes_its_run(ours: Torture, failpoint: str) -> None:
    world = ours.new_world()
    ours.died_at_failpoint(ours.producer(world, failpoint))
    ours.finished(ours.producer(world))
    consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 6
