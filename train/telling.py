"""What train tells Prometheus: how its jobs stand in PostgreSQL, and what its own workers did."""

from collections.abc import Callable, Mapping

from shared.metrics import training
from shared.metrics.instruments import Values
from shared.storage.training_counts import TrainingCounts
from train.link import Outcome


def tell_outcome(outcome: Outcome) -> None:
    """Count what became of an attempt."""
    if outcome.verdict is None:
        training.FAILURES.labels(outcome.kind).inc()
        return
    training.TRAINED.labels(outcome.kind, outcome.verdict).inc()
    for stage, seconds in outcome.seconds.items():
        training.STAGE_SECONDS.labels(stage).observe(seconds)


def tell_work(counters: Mapping[str, int | float], busy: Callable[[], int]) -> None:
    """Tell what the coordinator counts, and how many workers work, from now on."""
    training.BUSY.tell(lambda: {(): busy()})
    training.DEATHS.tell(lambda: {(): counters["deaths"]})
    training.SETTLED.tell(lambda: {(): counters["settled"]})


def tell_counts(counts: TrainingCounts) -> None:
    """Tell how training stands, until told otherwise."""
    newest, oldest = counts.newest_model, counts.oldest_job
    jobs: Values = {(state,): count for state, count in counts.jobs.items()}
    training.JOBS.tell(lambda: jobs)
    training.MODELS.tell(lambda: counts.models)
    training.LAST_SUCCESS.tell(lambda: {(): newest.timestamp()} if newest else {})
    training.OLDEST_JOB.tell(lambda: {(): oldest.timestamp()} if oldest else {})
