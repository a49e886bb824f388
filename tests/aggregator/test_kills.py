"""The aggregator's process, killed at every point and stopped for too long: the same rows, each once."""

import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from multiprocessing.context import ForkServerProcess as Process
from pathlib import Path

import polars as pl
import pytest

from aggregator.service import NAME, aggregate
from infra.embedded.layout import Home
from shared.contracts.bars import INSTANT
from shared.features.catalogue import NAMES
from shared.features.compute import FeatureEngine
from shared.features.revisions import week_revisions
from shared.runtime.service import run
from shared.settings import PostgresSettings
from shared.storage.context_store import ContextStore
from shared.storage.postgres import transaction
from shared.testing.eventually import eventually
from tests.aggregator.parts import Ground, bars, ground
from tests.aggregator.test_runs import VINTAGE
from tests.aggregator.test_service import weeks_of
from tests.conftest import running_kafka
from tests.shared.features.making import bits

pytestmark = pytest.mark.kafka
RUN = "files-0123456789abcdef"


@pytest.fixture
def own(
    new_home: Callable[[], AbstractContextManager[Home]], database: PostgresSettings, tmp_path: Path
) -> Iterator[Ground]:
    """A broker, a database and a lake of one test."""
    with (
        new_home() as home,
        running_kafka(home) as server,
        ground(server.bootstrap_servers, database, tmp_path / "lake", own_names=False) as made,
    ):
        made.server = server
        yield made


def _work(environment: dict[str, str], log: Path) -> None:
    """Be the service's process: in a child of a server that has loaded the libraries, which takes seconds."""
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    sys.exit(run(NAME, aggregate))


@contextmanager
def process(own: Ground, failpoints: str = "", **more: str) -> Iterator[Process]:
    """The service's own process."""
    postgres = own.postgres
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": own.kafka.kafka_bootstrap_servers,
        "KAFKA_SESSION_SECONDS": "2",
        "LAKE_URL": f"file://{own.lake}",
        "POSTGRES_HOST": postgres.postgres_host,
        "POSTGRES_PORT": str(postgres.postgres_port),
        "POSTGRES_DB": postgres.postgres_db,
        "POSTGRES_USER": postgres.postgres_user,
        "POSTGRES_PASSWORD": postgres.postgres_password.get_secret_value(),
        "TICKERSTREAM_FAILPOINTS": failpoints,
        "AGGREGATOR_BATCH_RECORDS": "1",
        **more,
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aggregator.service", "tests.aggregator.parts"])
    running = context.Process(target=_work, args=(environment, own.lake / "aggregator.log"))
    running.start()
    try:
        yield running
    finally:
        if running.is_alive():
            signal_to(running, signal.SIGCONT)
            running.terminate()
        running.join(40)


def signal_to(process: Process, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def died(process: Process, own: Ground) -> None:
    """Wait until the failpoint has killed the process."""
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"exit {process.exitcode}: {tail(own)}"


def tail(own: Ground) -> str:
    return (own.lake / "aggregator.log").read_text(errors="replace")[-2000:]


def fresh(own: Ground, ticker: str, told: pl.DataFrame) -> pl.DataFrame:
    """The newest rows that the one function gives of what was told."""
    with transaction(own.engine) as connection:
        context = ContextStore().context(connection, ticker)
    engine = FeatureEngine(ticker)
    made = pl.concat([rows for week in weeks_of(told) for rows in week_revisions(engine, told, context, week)])
    return made.group_by("timestamp", maintain_order=True).last().sort("timestamp")


def matches(own: Ground, ticker: str, told: pl.DataFrame) -> bool:
    rows, wanted = own.rows(ticker, newest=True), fresh(own, ticker, told)
    columns = ["timestamp", "open", "close", "volume", "session", *NAMES]
    return bits(rows.select(columns)).equals(bits(wanted.select(columns)))


def test_killed_at_every_point_the_rows_are_the_same_and_training_starts_once(own: Ground) -> None:
    apple, other = bars(days=16, minutes=40), bars("MSFT", days=6, minutes=40)
    corrected = apple[-5:-4].with_columns(
        pl.col("close") * 1.01,
        pl.col("high") * 1.02,
        known_at=pl.lit(apple["known_at"][-1] + timedelta(seconds=9)).cast(INSTANT),
        known_basis=pl.lit("observed"),
    )
    own.declare(RUN, "h_alpaca", "h_macrodata").history(apple, RUN).history(other, RUN)
    own.send("h_macrodata", "FEDFUNDS", VINTAGE)
    own.confirm(RUN, "h_macrodata", "h_alpaca")
    points = ("before_commit_facts", "before_copy", "before_commit", "after_commit")
    for point in (*(f"aggregator.{point}" for point in points), "features.after_copy", "outbox.after_send"):
        with process(own, f"{point}=kill") as doomed:
            died(doomed, own)
    own.live(corrected).history(apple[:40])  # a correction, and a day that comes again
    late = bars(days=1, minutes=40)[20:21].with_columns(  # of the first week: two later ones are made again
        pl.col("close") * 1.01,
        pl.col("high") * 1.02,
        known_at=pl.lit(apple["known_at"][-1] + timedelta(seconds=19)).cast(INSTANT),
        known_basis=pl.lit("observed"),
    )
    own.live(late)
    with process(own, "aggregator.before_commit_remade=kill") as doomed:
        died(doomed, own)
    with process(own) as last:
        eventually(lambda: own.caught_up() or not last.is_alive(), seconds=60, failing="it catches up")
        own.await_remade()
        newest = apple["timestamp"][-1]
        eventually(lambda: own.features("AAPL") and own.features("AAPL")[-1].timestamp == newest)

    told = pl.concat([apple, corrected, late])
    assert matches(own, "AAPL", told)
    assert matches(own, "MSFT", other)
    messages = own.started(RUN)
    assert {message.tickers for message in messages} == {("AAPL", "MSFT")}
    assert len(messages) <= 2  # killed between sending and marking, the outbox sends the same message again
    assert own.scalar("SELECT count(*) FROM outbox WHERE topic = 'start_model'") == 1


def test_member_that_slept_is_fenced_and_leaves_nothing_behind(own: Ground) -> None:
    frame = bars(days=12, minutes=40)
    own.history(frame[:40])
    beats = own.lake / "sleeper.json"
    sleepy = {"HEARTBEAT_FILE": str(beats), "POSTGRES_IDLE_SECONDS": "5"}
    with process(own, "aggregator.before_copy=stop@2", **sleepy) as sleeper:
        own.await_rows(40, seconds=60)
        own.history(frame[40:200])
        eventually(lambda: _is_stopped(sleeper.pid or 0), seconds=60, failing="it stops at the failpoint")
        with process(own):
            own.await_rows(200, seconds=120)
            own.history(frame[200:])
            own.await_rows(frame.height, seconds=60)
            signal_to(sleeper, signal.SIGCONT)
            eventually(lambda: _memberships(beats) > 1, seconds=60, failing="the sleeper begins again")
            own.await_caught_up(seconds=60)
    assert matches(own, "AAPL", frame)
    assert own.count() == frame.height


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_with_its_broker_the_rows_are_the_same(own: Ground, seed: int) -> None:
    chance = random.Random(seed)
    run_id, names = f"{RUN}{seed}", ["AAPL", "MSFT", "IBM"]
    frames = {name: bars(name, days=60) for name in names}
    own.declare(run_id, "h_alpaca")
    for frame in frames.values():
        own.history(frame, run_id)
    own.confirm(run_id, "h_alpaca")
    total = sum(frame.height for frame in frames.values())
    for done in sorted(chance.sample(range(total * 9 // 10), 5)):
        with process(own) as doomed:
            eventually(
                lambda done=done: sum(own.count(name) for name in names) > done,  # type: ignore[misc]
                seconds=120,
                failing=f"more than {done} rows",
            )
            assert doomed.is_alive(), tail(own)
            doomed.kill()
            doomed.join()
        if chance.random() < 0.5 and own.server is not None:
            own.server.kill()
            own.server.start()
            own.server.wait_healthy()
    with process(own):
        own.await_caught_up(seconds=180)
        eventually(lambda: own.started(run_id), seconds=60)
    for name, frame in frames.items():
        assert own.count(name) == frame.height
        assert matches(own, name, frame)
    assert len({message.encode() for message in own.started(run_id)}) == 1


def _memberships(beats: Path) -> int:
    return int(json.loads(beats.read_text())["counters"]["memberships"])


def _is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"
