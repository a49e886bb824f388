"""Settings of training."""

import os
from typing import Final

from pydantic import Field

from shared.settings import Settings

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TrainSettings(Settings):
    """How much is trained at a time, and how patient the service is."""

    train_workers: int = Field(default_factory=cores, ge=1, le=256, description="tickers trained at the same time")
    train_memory_mib: int = Field(
        3072, ge=256, description="what all workers together may need; a ticker that needs more is trained alone"
    )
    train_lease_seconds: float = Field(
        30.0, ge=1, le=3600, description="a worker that is silent for so long loses its jobs to another"
    )
    train_poll_seconds: float = Field(0.5, gt=0, le=60, description="how often new jobs are looked for")
    train_idle_seconds: float = Field(15.0, ge=1, description="a worker without work ends after so long")
    train_seed: int = Field(7, ge=0, description="seed of everything random in a fit")


def limit_threads() -> None:
    """Make the libraries of the processes that we start use one thread each: the parallelism is over tickers.

    Where a ticker has cores to itself, its fits ask for threads; those sleep while they wait, for others need the core.
    """
    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
