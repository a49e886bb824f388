"""A consumer killed at each failpoint, or stopped past its session; after each 0 lost and 0 twice."""

import pytest

from tests.torture.harness import Torture
from tests.torture.rounds import CONSUMER_FAILPOINTS, kill_consumer, stop_consumer


@pytest.mark.parametrize("failpoint", CONSUMER_FAILPOINTS)
def test_consumer_killed_at_failpoint_loses_and_doubles_nothing(ours: Torture, failpoint: str) -> None:
    kill_consumer(ours, failpoint)


def test_consumer_stopped_past_its_session_does_no_harm_when_continued(ours: Torture) -> None:
    stop_consumer(ours)


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 8
