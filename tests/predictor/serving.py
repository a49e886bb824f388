"""A predictor under test: a real process on a real broker, and what is sent to it and asked of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from shared.contracts.predictions import Prediction
from shared.contracts.rows import FeatureRow
from shared.contracts.topics import FEATURES, MODEL_EVENTS, PREDICTIONS, START_MODEL
from shared.contracts.training import ModelEvent
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing, Record
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually

START_SECONDS = 60.0


@dataclass
class Broker:
    """A broker with the topics, and a writer to it."""

    settings: KafkaSettings
    writer: KafkaWriter

    def rows(self, *rows: FeatureRow) -> None:
        for row in rows:
            self.writer.send(Outgoing(FEATURES.name, row.ticker.encode(), row.encode()))
        self.writer.flush(20)

    def events(self, *events: ModelEvent) -> None:
        for event in events:
            self.writer.send(Outgoing(MODEL_EVENTS.name, event.key, event.encode()))
        self.writer.flush(20)

    def raw(self, topic: str, key: bytes | None, value: bytes) -> None:
        self.writer.send(Outgoing(topic, key, value))
        self.writer.flush(20)

    def records(self, topic: str) -> list[Record]:
        return list(read_topic(self.settings, topic))

    def published(self, ticker: str) -> list[Prediction]:
        records = [record for record in self.records(PREDICTIONS.name) if record.key == ticker.encode()]
        return [Prediction.decode(record.value) for record in records]

    def wishes(self) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"{}") for record in self.records(START_MODEL.name)]


@dataclass
class Serving:
    """One predictor process."""

    process: subprocess.Popen[bytes]
    folder: Path
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    @property
    def beat(self) -> dict[str, Any]:
        path = self.folder / "beat.json"
        said: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return said if said.get("pid") == self.process.pid else {}

    @property
    def url(self) -> str:
        return str(self.beat["detail"])

    def await_ready(self) -> "Serving":
        def ready() -> bool:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            return self.beat.get("state") == "running" and str(self.beat["detail"]).startswith("http")

        eventually(ready, seconds=START_SECONDS, failing="the predictor was not ready")
        self.client.base_url = httpx.URL(self.url)
        return self

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.client.get(path, params=parameters)

    def newest(self, ticker: str) -> dict[str, Any]:
        answer = self.get(f"/v1/predictions/{ticker}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def has_models(self, ticker: str, count: int = 3) -> None:
        """Wait until so many models serve the ticker."""
        eventually(lambda: len(self.get(f"/v1/models/{ticker}").json().get("models", [])) == count)

    def shows(self, row: FeatureRow) -> dict[str, Any]:
        """Wait until the answer to `row` is served."""

        def answered() -> dict[str, Any]:
            found = self.newest(row.ticker)
            assert found["row_hash"] == row.row_hash
            return found

        return eventually(answered)

    @contextmanager
    def stream(self, tickers: str) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
        """Listen to the event stream: what is told from now on can be read inside, each event with its data."""
        with self.client.stream("GET", "/v1/stream", params={"tickers": tickers}) as answer:
            lines = answer.iter_lines()
            next(lines)  # who has heard the first line is told everything from then on
            yield _events(lines)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    event = ""
    for line in lines:
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


@contextmanager
def serving(
    broker: Broker, folder: Path, model_dir: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    """A predictor that is starting; killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "beat.json").unlink(missing_ok=True)
    settings = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": broker.settings.kafka_bootstrap_servers,
        "MODEL_DIR": str(model_dir),
        "PREDICTOR_PORT": "0",
        "PREDICTOR_RETRY_SECONDS": "0.5",
        "PREDICTOR_JOBS_SECONDS": "0.2",
        "HEARTBEAT_FILE": str(folder / "beat.json"),
        "TICKERSTREAM_HOME": str(folder),
        "POSTGRES_PORT": "1",
        "OMP_NUM_THREADS": "1",
        **(environment or {}),
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "predictor"], env=settings, stderr=log)
    one = Serving(process, folder)
    try:
        yield one
    finally:
        one.client.close()
        if process.poll() is None:
            one.kill()
