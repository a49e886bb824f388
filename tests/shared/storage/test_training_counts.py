"""How training stands, counted on a real PostgreSQL."""

from datetime import timedelta

from sqlalchemy import Engine

from shared.contracts.training import MODEL_KINDS
from shared.metrics import training
from shared.storage.jobs import NewRun, TrainingJobs
from shared.storage.training_counts import TrainingCounts, read_counts
from tests.shared.metrics.reading import value
from train.telling import tell_counts


def test_without_training_every_state_is_there_and_nothing_in_it(engine: Engine) -> None:
    assert read_counts(engine) == TrainingCounts()
    assert read_counts(engine).jobs == {"queued": 0, "running": 0, "done": 0, "failed": 0}


def test_jobs_are_counted_by_state_and_told(engine: Engine) -> None:
    jobs = TrainingJobs(engine)
    jobs.file(NewRun("run", "topic-0-0", ("AAPL", "MSFT"), MODEL_KINDS, "f1"))
    (failed, *_) = jobs.claim("run", "AAPL", "worker", timedelta(seconds=60))
    jobs.fail(failed, "no rows", retry=False)
    counts = read_counts(engine)
    assert counts.jobs == {"queued": 3, "running": 2, "done": 0, "failed": 1}
    assert (counts.models, counts.newest_model) == ({}, None)
    assert counts.oldest_job is not None
    tell_counts(counts)
    assert value("training_jobs", state="queued") == 3
    assert value("training_oldest_job_timestamp_seconds") == counts.oldest_job.timestamp()
    tell_counts(TrainingCounts())
    assert next(training.OLDEST_JOB.collect()).samples == [], "no job is open any more"
