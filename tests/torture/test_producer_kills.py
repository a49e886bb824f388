"""A producer killed at each failpoint; after each kill 0 lost and 0 twice."""

import pytest

from tests.torture.harness import Torture
from tests.torture.rounds import PRODUCER_FAILPOINTS, kill_producer


@pytest.mark.parametrize("failpoint", PRODUCER_FAILPOINTS)
def test_producer_killed_at_failpoint_resumes_its_run(ours: Torture, failpoint: str) -> None:
    kill_producer(ours, failpoint)


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 6
