"""Which process is killed when: each one at least once, at a random point of a stage in which it has work."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

STAGES = ("publish", "features", "train", "predict")
"""The demo's stages as far as they are told apart here; `features` begins when all is in the lake."""

WORK: Mapping[str, tuple[str, ...]] = {
    "producers-stock": ("publish",),
    "producers-macro": ("publish",),
    "producers-company": ("publish",),
    "consumers-stock": ("publish",),
    "consumers-actions": ("publish",),
    "consumers-macro": ("publish",),
    "consumers-company": ("publish",),
    "aggregator": ("publish", "features"),
    "kafka": ("publish", "features", "train"),
    "postgres": ("publish", "features", "train"),
    "mongo": ("train",),
    "train": ("train",),
    "predictor": ("train",),
    "consumers-predictions": ("train",),
}
# Later points of a stage may find a process that is through already.
SHARE = 0.8
# These read and write little: what they do is over soon after its begin.
BRIEF = {
    *("producers-macro", "producers-company", "consumers-actions", "consumers-macro", "consumers-company"),
}


@dataclass(frozen=True)
class Kill:
    """One kill, due when its process is at work and its stage (a producer itself) has come so far, 0 to 1."""

    process: str
    stage: str
    share: float


def plan(producers: frozenset[str], seed: int) -> list[Kill]:
    """Return the kills of a run.

    Args:
        producers: Those that run.
        seed: What the points follow from.
    """
    chance = random.Random(seed)
    kills = []
    for process, stages in WORK.items():
        if process.startswith("producers-") and process not in producers:
            continue
        for stage in stages:
            share = chance.uniform(0.0, SHARE)
            kills.append(Kill(process, stage, 0.0 if process in BRIEF else share))
    return kills
