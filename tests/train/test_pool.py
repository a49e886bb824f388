"""Workers that die before they can work: told, and not started again at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared.settings import ModelSettings, PostgresSettings, RuntimeSettings
from shared.testing.eventually import eventually
from train.link import WorkerSettings
from train.pool import WorkerPool


def test_worker_that_dies_before_it_can_work_is_told_and_replaced_after_a_rest(
    database: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.pool._REST_SECONDS", (5.0, 60.0))  # longer than this process may be held up
    runtime = RuntimeSettings.load(tickerstream_home=tmp_path).model_copy(
        update={"tickerstream_failpoints": "nonsense"}
    )
    settings = WorkerSettings(database, ModelSettings.load(model_dir=tmp_path), runtime, timedelta(seconds=30), 7)
    pool = WorkerPool(settings, "test", idle_seconds=15, told=lambda _: None)
    try:
        pool.grow(1)  # the first one alone gets failpoints
        (death,) = eventually(lambda: pool.wait(0.2), seconds=60)
        assert list(death.jobs) == []
        assert "exit code" in death.reason
        pool.grow(1)
        assert pool.size == 0

        def another() -> bool:
            pool.grow(1)
            return pool.wait(0.2) == [] and pool.ready == 1

        eventually(another, seconds=60)
    finally:
        pool.close()
