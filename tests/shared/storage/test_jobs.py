"""Jobs on a real PostgreSQL: filed once, claimed by one, fenced by attempt, retried, given up."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.contracts.training import MODEL_KINDS
from shared.storage.job_progress import JobsView
from shared.storage.jobs import ATTEMPTS_MAX, FAILURES_MAX, Job, LostLeaseError, NewRun, TrainingJobs, finish, hold
from shared.storage.postgres import transaction
from shared.storage.training_tables import METADATA

LEASE = timedelta(seconds=60)
OVER = timedelta(seconds=-1)
RUN = NewRun("run", "topic-0-0", ("AAPL", "MSFT"), MODEL_KINDS, "f1", "by hand")


@pytest.fixture
def jobs(engine: Engine) -> TrainingJobs:
    return TrainingJobs(engine)


@pytest.fixture
def view(engine: Engine) -> JobsView:
    return JobsView(engine)


def waiting(jobs: TrainingJobs) -> list[tuple[str, str]]:
    return [(one.run_id, one.ticker) for one in jobs.waiting()]


def test_run_is_filed_once_and_its_second_use_is_told_from_a_repetition(jobs: TrainingJobs, view: JobsView) -> None:
    assert jobs.file(RUN) == "filed"
    assert jobs.file(RUN) == "again"
    assert jobs.file(replace(RUN, source="topic-0-1", tickers=("TSLA",))) == "used"

    assert [(t.ticker, [j.kind for j in t.jobs]) for t in view.progress_of("run")] == [
        ("AAPL", list(MODEL_KINDS)),
        ("MSFT", list(MODEL_KINDS)),
    ]


def test_repeated_tickers_and_kinds_are_one_job_each(jobs: TrainingJobs, view: JobsView) -> None:
    jobs.file(replace(RUN, tickers=("AAPL", "AAPL"), kinds=("regression_gb", "regression_gb")))
    assert [len(t.jobs) for t in view.progress_of()] == [1]


def test_run_without_tickers_is_kept_as_used(jobs: TrainingJobs, view: JobsView) -> None:
    assert jobs.file(replace(RUN, tickers=())) == "filed"
    assert jobs.file(replace(RUN, source="other")) == "used"
    assert view.progress_of("run") == []
    assert [(r.run_id, r.queued + r.running + r.done + r.failed) for r in view.runs()] == [("run", 0)]


def test_filing_one_run_from_many_threads_makes_its_jobs_once(jobs: TrainingJobs, view: JobsView) -> None:
    runs = [replace(RUN, source=f"topic-0-{n}") for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = Counter(threads.map(jobs.file, runs))
    assert outcomes == {"filed": 1, "used": 7}
    assert view.runs()[0].queued == 6


def test_claim_takes_all_jobs_of_a_ticker_at_once(jobs: TrainingJobs) -> None:
    jobs.file(RUN)
    claimed = jobs.claim("run", "AAPL", "me", LEASE)
    assert [(job.ticker, job.kind, job.attempt) for job in claimed] == [("AAPL", kind, 1) for kind in MODEL_KINDS]
    assert jobs.claim("run", "AAPL", "you", LEASE) == []
    assert waiting(jobs) == [("run", "MSFT")]


def test_claims_from_many_threads_share_the_jobs_without_overlap(jobs: TrainingJobs) -> None:
    tickers = [f"T{n}" for n in range(10)]
    jobs.file(replace(RUN, tickers=tickers))

    def claim_all(worker: str) -> list[Job]:
        return [job for ticker in tickers for job in jobs.claim("run", ticker, worker, LEASE)]

    with ThreadPoolExecutor(4) as threads:
        taken = [job.job_id for found in threads.map(claim_all, "abcd") for job in found]
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 30


def test_older_runs_come_first_and_failed_tickers_last(jobs: TrainingJobs) -> None:
    jobs.file(RUN)
    jobs.file(replace(RUN, run_id="later", source="topic-0-1", tickers=("AAPL",)))
    for job in jobs.claim("run", "AAPL", "me", LEASE):
        jobs.fail(job, "no", retry=True)
    assert waiting(jobs) == [("run", "MSFT"), ("run", "AAPL"), ("later", "AAPL")]


def test_lease_that_ran_out_is_claimed_again_and_fences_the_older_attempt(jobs: TrainingJobs, engine: Engine) -> None:
    jobs.file(RUN)
    old = jobs.claim("run", "AAPL", "dead", OVER)
    new = jobs.claim("run", "AAPL", "alive", LEASE)

    assert [(job.job_id, job.attempt) for job in new] == [(job.job_id, 2) for job in old]
    assert jobs.renew(old, LEASE) == []
    with pytest.raises(LostLeaseError):
        jobs.fail(old[0], "too late", retry=True)
    with pytest.raises(LostLeaseError), transaction(engine) as connection:
        hold(connection, old[0])
    jobs.report(old[0], "fit", 0.9)
    jobs.release(old)
    assert jobs.renew(new, LEASE) == new


def test_renewed_lease_is_not_claimed(jobs: TrainingJobs) -> None:
    jobs.file(RUN)
    held = jobs.claim("run", "AAPL", "me", OVER)
    assert jobs.renew(held, LEASE) == held
    assert jobs.claim("run", "AAPL", "you", LEASE) == []


def test_job_is_retried_twice_then_failed_with_its_reason_and_others_go_on(
    jobs: TrainingJobs, engine: Engine, view: JobsView
) -> None:
    jobs.file(replace(RUN, tickers=("AAPL",)))
    states = []
    for _ in range(FAILURES_MAX):
        claimed = {job.kind: job for job in jobs.claim("run", "AAPL", "me", LEASE)}
        if other := claimed.get("regression_gb"):
            with transaction(engine) as connection:
                hold(connection, other)
                finish(connection, other, "model", "deployed")
        if third := claimed.get("classification_rf"):
            jobs.fail(third, "one direction only", retry=False)
        states.append(jobs.fail(claimed["regression_rf"], "boom:\n  no luck", retry=True))

    assert states == ["queued", "queued", "failed"]
    (ticker,) = view.progress_of("run")
    by_kind = {job.kind: (job.state, job.failures, job.error) for job in ticker.jobs}
    assert by_kind == {
        "regression_rf": ("failed", 3, "boom: no luck"),
        "classification_rf": ("failed", 1, "one direction only"),
        "regression_gb": ("done", 0, None),
    }
    assert (ticker.state, ticker.progress) == ("failed", 1.0)
    assert waiting(jobs) == []


def test_released_job_is_free_at_once_and_has_not_failed(jobs: TrainingJobs, view: JobsView) -> None:
    jobs.file(RUN)
    jobs.release(jobs.claim("run", "AAPL", "me", LEASE))
    again = jobs.claim("run", "AAPL", "you", LEASE)
    assert {job.attempt for job in again} == {2}
    assert {job.failures for job in view.progress_of("run")[0].jobs} == {0}


def test_job_whose_workers_always_die_is_given_up(jobs: TrainingJobs, view: JobsView) -> None:
    jobs.file(replace(RUN, tickers=("AAPL",), kinds=("regression_gb",)))
    for _ in range(ATTEMPTS_MAX):
        assert waiting(jobs) == [("run", "AAPL")]
        assert jobs.claim("run", "AAPL", "dying", OVER)
    assert waiting(jobs) == []
    (job,) = view.progress_of("run")[0].jobs
    assert job.state == "failed"
    assert job.error is not None
    assert "worker died" in job.error


def test_progress_of_a_ticker_is_the_mean_of_its_jobs(jobs: TrainingJobs, view: JobsView) -> None:
    jobs.file(RUN)
    first, second, _ = jobs.claim("run", "MSFT", "me", LEASE)
    jobs.report(first, "fit", 0.6)
    jobs.report(second, "folds", 0.3)

    aapl, msft = view.progress_of()
    assert (aapl.state, aapl.stage, aapl.progress) == ("queued", "queued", 0.0)
    assert (msft.state, msft.stage, msft.progress) == ("running", "fit", pytest.approx(0.3))
    (run,) = view.runs()
    assert (run.run_id, run.queued, run.running, run.done, run.failed) == ("run", 3, 3, 0, 0)


def test_tables_in_code_are_those_of_the_migration(engine: Engine) -> None:
    query = "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = :name"
    with transaction(engine) as connection:
        for name, table in METADATA.tables.items():
            found = {row[0]: row[1] == "YES" for row in connection.execute(text(query), {"name": name})}
            assert found == {column.name: column.nullable for column in table.columns}, name
