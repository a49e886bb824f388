"""Producer, consumer and broker killed with work in flight; after each 0 lost and 0 twice."""

import pytest

from tests.torture.harness import Torture
from tests.torture.rounds import kill_at_random, kill_broker, kill_broker_for_long


@pytest.mark.parametrize("seed", range(4))
def test_producer_and_consumer_killed_at_random_lose_and_double_nothing(ours: Torture, seed: int) -> None:
    kill_at_random(ours, seed)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_broker_killed_with_work_in_flight_loses_and_doubles_nothing(ours: Torture, share: float) -> None:
    kill_broker(ours, share)


def test_broker_away_past_the_session_loses_and_doubles_nothing(ours: Torture) -> None:
    kill_broker_for_long(ours)


def test_every_kill_was_done(ours: Torture, request: pytest.FixtureRequest) -> None:
    chosen = [item for item in request.session.items if item.path == request.node.path]
    if len(chosen) < 5:
        pytest.skip("only some of the kills were chosen")
    assert ours.kills >= 7
