"""Training that is killed at every point: the same deployments with the same digests afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from shared.contracts.training import MODEL_KINDS
from shared.settings import MongoSettings, PostgresSettings
from shared.storage.job_progress import JobsView
from shared.testing.eventually import eventually
from tests.train.making import rows_of, store_rows
from tests.train.training import Training, refitted, training

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
FRAME = rows_of("AAPL", 1, days=6)


@pytest.fixture
def one(kafka: str, database: PostgresSettings, mongo: MongoSettings, tmp_path: Path) -> Iterator[Training]:
    with training(kafka, database, mongo, tmp_path, train_workers=1, train_lease_seconds=3) as made:
        store_rows(made.engine, [FRAME])
        yield made


@pytest.mark.parametrize("at", ["before_rename", "after_rename", "before_deploy", "after_deploy@2"])
def test_worker_that_is_killed_leaves_no_trace_in_the_outcome(one: Training, at: str) -> None:
    name, _, passage = at.partition("@")
    one.file("run", "AAPL")
    with one.running(f"train.{name}=kill@{passage or 1}"):
        (ticker,) = one.settled("run")
        eventually(lambda: one.unsent() == 0)

    assert ticker.state == "done"
    assert max(job.attempt for job in ticker.jobs) == 2, "it was killed"
    assert {each.model.kind: each.model.digest for each in one.registry.served()} == refitted(one, FRAME)
    said = [(event.kind, event.verdict_final) for event in one.events()]
    assert sorted(said, key=str) == sorted(((kind, final) for kind in MODEL_KINDS for final in (False, True)), key=str)
    assert [m.version for m in one.registry.models()] == [1, 1, 1]
    left = {path.name for path in one.environment.models.model_dir.iterdir()}
    assert left == {each.model.digest for each in one.registry.served()}


def test_worker_that_hangs_loses_its_jobs_and_is_killed(one: Training) -> None:
    one.file("run", "AAPL")
    one.reach(train=one.environment.train.model_copy(update={"train_workers": 2}))
    with one.running("train.before_deploy=stop"):
        (ticker,) = one.settled("run")
        eventually(lambda: one.beat["counters"].get("workers_deaths") == 1)

    assert {(job.state, job.attempt) for job in ticker.jobs} == {("done", 2)}
    assert {each.model.kind: each.model.digest for each in one.registry.served()} == refitted(one, FRAME)
    assert [m.version for m in one.registry.models()] == [1, 1, 1]


@contextmanager
def process(one: Training, module: str = "tests.train.serving", **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service as a process while inside."""
    environment, postgres = one.environment, one.environment.postgres
    with (one.folder / "log").open("a") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", module, environment.topic, environment.group],
            cwd=ROOT,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": environment.kafka.kafka_bootstrap_servers,
                "POSTGRES_HOST": postgres.postgres_host,
                "POSTGRES_PORT": str(postgres.postgres_port),
                "POSTGRES_DB": postgres.postgres_db,
                "POSTGRES_USER": postgres.postgres_user,
                "POSTGRES_PASSWORD": postgres.postgres_password.get_secret_value(),
                "MONGO_URI": environment.mongo.mongo_uri.get_secret_value(),
                "MONGO_DB": environment.mongo.mongo_db,
                "MODEL_DIR": str(environment.models.model_dir),
                "HEARTBEAT_FILE": str(one.beat_file),
                "TRAIN_LEASE_SECONDS": "3",
                "TRAIN_POLL_SECONDS": "0.05",
                **settings,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield started
        finally:
            started.kill()
            started.wait(20)


def test_service_that_is_killed_goes_on_where_it_was(one: Training) -> None:
    frames = [rows_of(f"T{n}", 20 + n, days=6) for n in range(4)]
    store_rows(one.engine, frames)
    one.file("run", *(frame["ticker"][0] for frame in frames))

    with process(one, TICKERSTREAM_FAILPOINTS="outbox.after_send=kill") as first:
        assert first.wait(90) == -signal.SIGKILL, "between sending an event and marking it sent"
    assert one.unsent() > 0
    with process(one) as second:
        progress = one.settled("run", seconds=90)
        eventually(lambda: one.unsent() == 0)
        second.send_signal(signal.SIGTERM)
        assert second.wait(40) == 0, (one.folder / "log").read_text()
    assert {ticker.state for ticker in progress} == {"done"}
    expected = {(f["ticker"][0], kind): digest for f in frames for kind, digest in refitted(one, f).items()}
    assert {(e.model.ticker, e.model.kind): e.model.digest for e in one.registry.served()} == expected
    assert len(one.registry.models()) == 3 * len(frames)
    events = one.events()
    assert {event.sequence for event in events} == {
        e.sequence for f in frames for e in one.registry.history(f["ticker"][0])
    }
    last = {(event.ticker, event.kind): event.sequence for event in events}
    assert last == {(e.model.ticker, e.model.kind): e.sequence for e in one.registry.served()}


def test_wish_that_is_killed_around_its_commit_is_one_run(one: Training) -> None:
    one.ask(tickers=["AAPL"])
    soon = {"KAFKA_SESSION_SECONDS": "2", "TRAIN_LEASE_SECONDS": "1", "TRAIN_WORKERS": "1"}
    for at, committed in (("before_commit", 0), ("after_commit", 1)):
        with process(one, TICKERSTREAM_FAILPOINTS=f"train.{at}=kill", **soon) as killed:
            assert killed.wait(90) == -signal.SIGKILL, at
        assert one.committed() == committed
        assert len(JobsView(one.engine).runs()) == 1, "filed before the commit, and once"
    run_id = one.newest_run()
    assert run_id is not None
    with one.running():
        (ticker,) = one.settled_id(run_id)
        one.ask(b"the end")
        eventually(lambda: one.committed() == 2)
        eventually(lambda: one.unsent() == 0)

    assert (ticker.state, len(ticker.jobs)) == ("done", len(MODEL_KINDS))
    assert {each.model.kind: each.model.digest for each in one.registry.served()} == refitted(one, FRAME)
    assert [m.version for m in one.registry.models()] == [1, 1, 1]
    assert len(JobsView(one.engine).runs()) == 1
    assert [letter.offset for letter in one.letters()] == [1]


def has_models(one: Training, wanted: int) -> bool:
    return len(one.registry.models()) >= wanted


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_service_that_is_killed_at_random_makes_the_same_models(one: Training, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [rows_of(f"T{n}", 40 + n, days=8) for n in range(12)]
    store_rows(one.engine, frames)
    one.file("run", *(frame["ticker"][0] for frame in frames))
    for models in sorted(rng.choice(np.arange(1, 34), 5, replace=False)):
        with process(one) as service:
            eventually(partial(has_models, one, models), seconds=120, every=0.002)
            service.send_signal(signal.SIGKILL)
    with process(one):
        one.settled("run", seconds=180)
        eventually(lambda: one.unsent() == 0)

    expected = {(f["ticker"][0], kind): digest for f in frames for kind, digest in refitted(one, f).items()}
    assert {(e.model.ticker, e.model.kind): e.model.digest for e in one.registry.served()} == expected
    assert {m.version for m in one.registry.models()} == {1}
    last = {(event.ticker, event.kind): event.sequence for event in one.events()}
    assert last == {(e.model.ticker, e.model.kind): e.sequence for e in one.registry.served()}


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["AAPL"], {}, 2, "unrecognized arguments"),
        ([], {"TRAIN_WORKERS": "none"}, 2, "TRAIN_WORKERS"),
        ([], {"MONGO_URI": "http://nowhere"}, 2, "MONGO_URI"),
    ],
)
def test_process_that_is_misused_says_so_in_its_exit_code(
    arguments: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "train", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert found.returncode == code
    assert said in found.stdout + found.stderr
    assert "Traceback" not in found.stdout + found.stderr
