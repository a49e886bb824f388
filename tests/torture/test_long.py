"""`make torture KILLS=1000`: rounds of every kind until so many kills are done, compared after each round."""

import os

import pytest

from tests.torture.harness import Torture
from tests.torture.rounds import any_round


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_many_kills_lose_and_double_nothing(ours: Torture) -> None:
    wanted = int(os.environ.get("TORTURE_KILLS", "1000"))
    seed = 0
    while ours.kills < wanted:
        done = any_round(ours, seed)
        seed += 1
        print(f"{ours.kills} of {wanted} kills, 0 lost, 0 twice ({done})", flush=True)
