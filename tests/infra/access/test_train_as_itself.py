"""Jobs, models, deployments and profiles with the role `train` only: tests of the adapters, not as the owner."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shared.settings import PostgresSettings
from shared.storage.postgres import open_engine
from shared.storage.trainable import TrainableRows
from tests.shared.storage import test_jobs, test_models
from tests.shared.storage.test_jobs import jobs, view
from tests.shared.storage.test_models import deployments, registry

__all__ = ["deployments", "jobs", "registry", "view"]

test_claims = test_jobs.test_claims_from_many_threads_share_the_jobs_without_overlap
test_retries = test_jobs.test_job_is_retried_twice_then_failed_with_its_reason_and_others_go_on
test_lease = test_jobs.test_lease_that_ran_out_is_claimed_again_and_fences_the_older_attempt
test_given_up = test_jobs.test_job_whose_workers_always_die_is_given_up
test_take_over = test_models.test_model_of_a_newer_run_takes_over_and_one_of_an_older_run_does_not
test_verdicts = test_models.test_verdicts_are_final_when_the_whole_run_is_through
test_profiles = test_models.test_profiles_are_due_until_written_and_again_after_a_change


@pytest.fixture
def engine(roles: dict[str, PostgresSettings]) -> Iterator[Engine]:
    with open_engine(roles["train"]) as engine:
        yield engine


def test_what_there_is_to_train_on_is_seen(engine: Engine) -> None:
    rows = TrainableRows(engine)
    used = rows.feature_set(None)
    assert used is not None
    assert rows.features(used)
    assert rows.active_tickers(used) == []
    assert rows.count("AAPL", used) == 0
