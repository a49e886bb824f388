"""The ledger of predictions on a real broker and a real PostgreSQL: each once, as first made, after any repetition."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from consumers.ledger import ledger_loop
from shared.clock import SystemClock
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.predictions import Baseline, ModelAnswer, Prediction
from shared.contracts.topics import DEAD_LETTERS, PREDICTIONS
from shared.errors import ConfigurationError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import KafkaSettings, PostgresSettings, RuntimeSettings
from shared.storage.postgres import make_engine
from shared.storage.prediction_ledger import PredictionLedger
from shared.testing.eventually import eventually

pytestmark = pytest.mark.kafka
START = datetime(2026, 1, 5, 15, tzinfo=UTC)


def prediction(ticker: str = "AAPL", minute: int = 0, made_after: float = 0.1) -> Prediction:
    at = START + timedelta(minutes=minute)
    return Prediction(
        id=f"{minute:032x}",
        ticker=ticker,
        timestamp=at,
        as_of=at + timedelta(minutes=1),
        horizon_minutes=5,
        close=100.1 + minute,
        expected_return=0.0001 / 3,
        price_level=100.2,
        direction="up",
        probability_up=None,
        leads="model",
        baseline=Baseline(),
        models=(
            ModelAnswer(kind="regression_gb", model_id="m", version=1, digest="a" * 64, verdict="skill", value=1 / 3),
        ),
        feature_set="f1",
        row_hash="b" * 32,
        revision=1,
        simulated=False,
        replayed=False,
        made_at=at + timedelta(minutes=1, seconds=made_after),
    )


@dataclass
class Ledgering:
    kafka: KafkaSettings
    engine: Engine
    topic: str
    group: str
    writer: KafkaWriter
    folder: Path

    def send(self, *values: bytes, key: bytes = b"AAPL") -> None:
        for value in values:
            self.writer.send(Outgoing(self.topic, key, value))
        self.writer.flush(20)

    @property
    def ledger(self) -> PredictionLedger:
        return PredictionLedger(self.engine)

    @property
    def beat(self) -> dict[str, Any]:
        file = self.folder / "beat.json"
        said: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return said

    @contextmanager
    def running(self, group: str | None = None, reject_share_max: float = 0.5) -> Iterator[threading.Event]:
        ended = threading.Event()
        clock, failures = SystemClock(), []
        heartbeat = Heartbeat(self.folder / "beat.json", "consumers.predictions", clock)
        runtime = Runtime("consumers.tests", RuntimeSettings.load(), clock, Stopping(), heartbeat, ExitStack())

        def work() -> None:
            try:
                with runtime.resources:
                    named = (self.topic, group or self.group)
                    ledger_loop(runtime, self.kafka, self.ledger, reject_share_max, *named).run()
            except BaseException as error:
                failures.append(error)
            ended.set()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield ended
        finally:
            runtime.stopping.set()
            thread.join(30)
        if failures:
            raise failures[0]


@pytest.fixture
def ledgering(kafka: str, database: PostgresSettings, tmp_path: Path) -> Iterator[Ledgering]:
    settings = KafkaSettings.load(kafka_bootstrap_servers=kafka, kafka_partitions=2)
    topic = f"predictions-{uuid4().hex[:8]}"
    contract = type(PREDICTIONS)(topic, PREDICTIONS.key, PREDICTIONS.value, PREDICTIONS.schema, "tests", "tests")
    KafkaAdmin(settings).provision([contract, DEAD_LETTERS])
    with KafkaWriter(settings, "tests") as writer:
        engine = make_engine(database)
        yield Ledgering(settings, engine, topic, f"{topic}-group", writer, tmp_path)
        engine.dispose()


def test_predictions_are_kept_once_however_often_they_come(ledgering: Ledgering) -> None:
    sent = [prediction(minute=n) for n in range(5)]
    ledgering.send(*(one.encode() for one in sent), *(one.encode() for one in sent[:3]))
    with ledgering.running():
        eventually(lambda: ledgering.ledger.count() == 5)
    with ledgering.running(group=f"{ledgering.group}-again"):
        ledgering.send(prediction(minute=5).encode())
        eventually(lambda: ledgering.ledger.count() == 6)

    assert ledgering.ledger.newest("AAPL", 10) == [*sent, prediction(minute=5)], "every field survives"


def test_prediction_made_again_is_kept_as_it_was_first_made(ledgering: Ledgering) -> None:
    first, again = prediction(made_after=0.1), prediction(made_after=99.0)
    with ledgering.running():
        ledgering.send(again.encode())
        eventually(lambda: ledgering.ledger.count() == 1)
        ledgering.send(first.encode(), again.encode(), prediction(minute=1).encode())
        eventually(lambda: ledgering.ledger.count() == 2)

    assert ledgering.ledger.at("AAPL", START + timedelta(minutes=1)) == first


def test_ledger_at_an_instant_is_the_newest_row_known_then(ledgering: Ledgering) -> None:
    assert ledgering.ledger.add([prediction(minute=n) for n in range(3)]) == 3
    assert ledgering.ledger.add([prediction(minute=n) for n in range(4)]) == 1

    at = partial(ledgering.ledger.at, "AAPL")
    assert at(START) is None
    assert at(START + timedelta(minutes=2, seconds=30)) == prediction(minute=1)
    assert at(START + timedelta(days=9)) == prediction(minute=3)
    assert ledgering.ledger.at("MSFT", START + timedelta(days=9)) is None


def test_what_is_no_prediction_becomes_a_dead_letter(ledgering: Ledgering) -> None:
    with ledgering.running():
        ledgering.send(b"{}", b"nonsense")
        ledgering.send(prediction(minute=7).encode(), key=b"MSFT")
        ledgering.send(prediction(minute=8).encode())
        eventually(lambda: ledgering.ledger.count() == 1)

    letters = [
        DeadLetter.from_record(record.key, record.value, record.headers)
        for record in read_topic(ledgering.kafka, DEAD_LETTERS.name)
    ]
    own = [letter.error_class for letter in letters if letter.topic == ledgering.topic]
    assert sorted(own) == ["bad_json", "bad_message", "wrong_key"]


def test_ledger_above_the_set_share_of_refusals_pauses_and_says_so(ledgering: Ledgering) -> None:
    ledgering.send(*[prediction().encode()] * 850, *[b"nonsense"] * 150, *[prediction().encode()] * 20)
    with ledgering.running(reject_share_max=0.1):
        beat = eventually(lambda: "limit 10%" in ledgering.beat.get("detail", "") and ledgering.beat)
    assert beat["state"] == "paused"
    assert beat["counters"]["rejects"] == 150


def test_database_without_the_table_stops_the_consumer_and_loses_nothing(ledgering: Ledgering) -> None:
    ledgering.send(prediction().encode())
    with ledgering.engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions RENAME TO elsewhere"))
    with pytest.raises(ConfigurationError, match="lacks a part of the schema"), ledgering.running() as ended:
        assert ended.wait(30)

    with ledgering.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO predictions"))
    with ledgering.running():
        eventually(lambda: ledgering.ledger.count() == 1)
