"""An aggregator under test: topics of its own on a real broker, a database, a lake in a folder, a thread to run in."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
from sqlalchemy import text

from aggregator.service import Aggregator
from aggregator.settings import AggregatorSettings
from aggregator.topics import Inputs
from infra.embedded.kafka import KafkaServer
from shared.clock import SystemClock
from shared.contracts.bars import BAR_COLUMNS, encode_bars
from shared.contracts.lake import DATASETS
from shared.contracts.rows import FeatureRow
from shared.contracts.runs import PartitionCount, RunAborted, RunDeclared, TopicConfirmed
from shared.contracts.topics import DEAD_LETTERS, FEATURES, START_MODEL, TOPICS
from shared.contracts.training import StartModel
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing, Position
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import KafkaSettings, PostgresSettings, RuntimeSettings
from shared.storage.feature_tables import ensure_feature_set
from shared.storage.folder import FolderStore
from shared.storage.postgres import make_engine, transaction
from shared.testing.eventually import eventually

MINUTE = timedelta(minutes=1)
MONDAY = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
CONTRACTS = {topic.name: topic for topic in TOPICS}
AT = datetime(2025, 1, 1, tzinfo=UTC)


def bars(
    ticker: str = "AAPL", first: datetime = MONDAY, minutes: int = 390, days: int = 1, **changes: Any
) -> pl.DataFrame:
    """Bars of some weekdays from a Monday on, a random walk that its ticker and first instant decide; nominal."""
    chance = np.random.default_rng(_seed(ticker, first))
    weekdays = [first + timedelta(days=day // 5 * 7 + day % 5) for day in range(days)]
    stamps = [day + n * MINUTE for day in weekdays for n in range(minutes)]
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.001, len(stamps))))
    opened = close * np.exp(chance.normal(0, 0.0003, len(stamps)))
    spread = np.abs(chance.normal(0, 0.0005, (2, len(stamps))))
    columns = {
        "ticker": ticker,
        "timestamp": stamps,
        "open": opened,
        "high": np.maximum(opened, close) * (1 + spread[0]),
        "low": np.minimum(opened, close) * (1 - spread[1]),
        "close": close,
        "volume": chance.integers(1, 10_000, len(stamps)).astype(float),
        "trade_count": chance.integers(1, 100, len(stamps)),
        "vwap": (opened + close) / 2,
        "known_at": [stamp + MINUTE for stamp in stamps],
        "known_basis": "nominal",
        "source": "files",
        "feed": None,
        "adjusted": False,
        "simulated": ticker.startswith("SIM."),
    }
    frame = pl.DataFrame({name: columns[name] for name in BAR_COLUMNS}, schema_overrides={"feed": pl.String()})
    return frame.with_columns(**{name: pl.lit(value) for name, value in changes.items()}).cast(dict(BAR_COLUMNS))  # type: ignore[arg-type]


def observed(frame: pl.DataFrame, seconds: float = 2, source: str = "alpaca") -> pl.DataFrame:
    """The same bars as a live producer saw them, so long after their close."""
    return frame.with_columns(
        known_at=pl.col("timestamp") + MINUTE + timedelta(seconds=seconds),
        known_basis=pl.lit("observed"),
        source=pl.lit(source),
    )


def by_week(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return frame.with_columns(w=pl.col("timestamp").dt.truncate("1w")).partition_by("w", include_key=False)


def _seed(ticker: str, first: datetime) -> int:
    return int.from_bytes(ticker.encode()[-4:], "big") + int(first.timestamp()) // 60


@dataclass
class Ground:
    """What an aggregator stands on in a test."""

    kafka: KafkaSettings
    postgres: PostgresSettings
    lake: Path
    inputs: Inputs
    names: dict[str, str]
    writer: KafkaWriter
    settings: AggregatorSettings
    ends: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    server: KafkaServer | None = None  # where the test has a broker of its own

    def __post_init__(self) -> None:
        self.engine = make_engine(self.postgres)
        self.store = FolderStore(self.lake)
        self._begun = KafkaAdmin(self.kafka).end_offsets(FEATURES.name)  # the topic is shared with other tests
        for dataset in DATASETS:
            self.store.ensure_bucket(dataset.bucket)

    # Sending

    def send(self, topic: str, key: str | None, value: bytes, headers: dict[str, bytes] | None = None) -> Position:
        """Send a record to the test's own topic in place of `topic`, durable on return."""
        sent: list[Position] = []
        self.writer.send(
            Outgoing(self.names[topic], key.encode() if key is not None else None, value, headers or {}), sent.append
        )
        self.writer.flush(20)
        ends = self.ends.setdefault(topic, {}).setdefault(sent[0].partition, [])
        ends.append(sent[0].offset + 1)
        return sent[0]

    def history(self, frame: pl.DataFrame, run: str | None = None) -> "Ground":
        """Send bars as a backfill does: a ticker-week a record."""
        headers = {} if run is None else {"run": run.encode()}
        for week in by_week(frame):
            self.send("h_alpaca", week["ticker"][0], encode_bars(week), headers)
        return self

    def live(self, frame: pl.DataFrame) -> "Ground":
        """Send bars one by one."""
        for bar in frame.iter_slices(1):
            self.send("stock_bars", bar["ticker"][0], encode_bars(bar))
        return self

    def declare(self, run: str, *topics: str, run_set: str = "set", attempt: int = 1) -> "Ground":
        event = RunDeclared(
            run_id=run,
            run_set=run_set,
            topics=tuple(self.names[t] for t in topics),
            source="files",
            simulated=False,
            attempt=attempt,
            at=AT,
        )
        self.send("runs", run, event.encode())
        return self

    def confirm(self, run: str, *topics: str) -> "Ground":
        """Confirm everything that was sent to these topics so far."""
        for topic in topics:
            counts = [
                PartitionCount(partition=p, next_offset=max(ends), records=len(ends), rows=0)
                for p, ends in self.ends.get(topic, {}).items()
            ]
            event = TopicConfirmed(run_id=run, topic=self.names[topic], attempt=1, partitions=tuple(counts), at=AT)
            self.send("runs", run, event.encode())
        return self

    def abort(self, run: str) -> "Ground":
        self.send("runs", run, RunAborted(run_id=run, reason="by hand", at=AT).encode())
        return self

    # Running

    @contextmanager
    def running(self, members: int = 1) -> Iterator["Ground"]:
        """Aggregate in a thread a member while inside; then stop, and raise what a member raised."""
        failures: list[BaseException] = []
        stops = [Stopping() for _ in range(members)]
        threads = [threading.Thread(target=self._run, args=(stop, failures)) for stop in stops]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for stop in stops:
                stop.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), "the aggregator does not stop"
            if failures:
                raise failures[0]

    def _run(self, stopping: Stopping, failures: list[BaseException]) -> None:
        clock = SystemClock()
        beats = Heartbeat(self.lake / f"heartbeat-{id(stopping)}.json", "aggregator", clock)
        runtime = Runtime("aggregator", RuntimeSettings.load(), clock, stopping, beats, ExitStack())
        engine = make_engine(self.postgres)
        try:
            Aggregator(runtime, self.kafka, engine, self.store, self.settings, self.inputs).run()
        except BaseException as error:
            failures.append(error)
        finally:
            engine.dispose()

    # Looking

    def rows(self, ticker: str = "AAPL", *, newest: bool = False) -> pl.DataFrame:
        """Return the stored revisions of a ticker."""
        names = ", ".join(f'"{name}"' for name in NAMES)
        query = f"""SELECT "timestamp", revision, as_of, open, close, volume, session, simulated, replayed, served,
            superseded_at IS NOT NULL AS superseded, {names} FROM aggregated_data
            WHERE ticker = :ticker AND feature_set = :set ORDER BY "timestamp", revision"""
        kinds = {
            "timestamp": pl.Datetime("us", "UTC"), "revision": pl.Int64(), "as_of": pl.Datetime("us", "UTC"),
            "open": pl.Float64(), "close": pl.Float64(), "volume": pl.Float64(),
            "session": pl.String(), "simulated": pl.Boolean(),
            "replayed": pl.Boolean(), "served": pl.Boolean(), "superseded": pl.Boolean(),
            **dict.fromkeys(NAMES, pl.Float32()),
        }  # fmt: skip
        with transaction(self.engine) as connection:
            found = connection.execute(text(query), {"ticker": ticker, "set": FEATURE_SET}).all()
        frame = pl.DataFrame([tuple(row) for row in found], schema=kinds, orient="row")
        return frame.filter(~pl.col("superseded")) if newest else frame

    def count(self, ticker: str = "AAPL") -> int:
        query = "SELECT count(*) FROM aggregated_data WHERE ticker = :ticker AND feature_set = :set"
        with transaction(self.engine) as connection:
            return int(connection.execute(text(query), {"ticker": ticker, "set": FEATURE_SET}).scalar_one())

    def await_rows(self, count: int, ticker: str = "AAPL", seconds: float = 30) -> pl.DataFrame:
        eventually(lambda: self.count(ticker) >= count, seconds=seconds, failing=f"{count} rows of {ticker}")
        return self.rows(ticker)

    def scalar(self, query: str, **arguments: object) -> Any:
        with transaction(self.engine) as connection:
            return connection.execute(text(query), arguments).scalar()

    def applied(self, topic: str, ticker: str = "AAPL", revision: int = 1) -> dict[str, int]:
        """Return up to where rows' batches say that a topic was applied, by partition; all must say the same."""
        query = """SELECT DISTINCT applied -> :topic FROM aggregated_data JOIN aggregation_batches USING (batch_id)
            WHERE ticker = :ticker AND revision = :revision"""
        given = {"topic": self.names[topic], "ticker": ticker, "revision": revision}
        with transaction(self.engine) as connection:
            (said,) = connection.execute(text(query), given).scalars()
        return dict(said)

    def caught_up(self, *topics: str) -> bool:
        """Return whether everything sent to the topics is stored as read."""
        admin = KafkaAdmin(self.kafka)
        for topic in topics or tuple(self.names):
            query = "SELECT partition, next_offset FROM source_offsets WHERE topic = :topic"
            with transaction(self.engine) as connection:
                found = connection.execute(text(query), {"topic": self.names[topic]})
                stored = {int(row.partition): int(row.next_offset) for row in found}
            if any(stored.get(p, 0) < end for p, end in admin.end_offsets(self.names[topic]).items()):
                return False
        return True

    def await_caught_up(self, *topics: str, seconds: float = 30) -> "Ground":
        eventually(lambda: self.caught_up(*topics), seconds=seconds, failing="the aggregator caught up")
        return self

    def await_remade(self) -> "Ground":
        query = "SELECT count(*) FROM remake_requests WHERE done_at IS NULL"
        eventually(lambda: self.scalar(query) == 0, seconds=30, failing="the remakes are done")
        return self

    def started(self, run: str | None = None) -> list[StartModel]:
        found = [StartModel.decode(record.value) for record in read_topic(self.kafka, START_MODEL.name)]
        return [message for message in found if message.run_id == run]

    def features(self, ticker: str) -> list[FeatureRow]:
        records = read_topic(self.kafka, FEATURES.name, start=self._begun)
        return [FeatureRow.decode(r.value) for r in records if r.key == ticker.encode()]


@contextmanager
def ground(
    bootstrap: str,
    postgres: PostgresSettings,
    lake: Path,
    partitions: int = 2,
    *,
    own_names: bool = True,
    **settings: Any,
) -> Iterator[Ground]:
    """Make the topics of one test, in a migrated database with the catalogue's feature set.

    Args:
        bootstrap: The broker.
        postgres: The database.
        lake: Its folder.
        partitions: Of topics by ticker.
        own_names: False on a broker of one test: the contracts' names, which processes read.
        settings: Of the aggregator.
    """
    kafka = KafkaSettings.load(kafka_bootstrap_servers=bootstrap, kafka_partitions=partitions, kafka_session_seconds=6)
    plain = Inputs.of(kafka)
    names = {topic: f"{topic}-{uuid4().hex[:8]}" if own_names else topic for topic in plain.all}
    admin = KafkaAdmin(kafka)
    there = admin.topics()  # on a shared broker another test may have made them with other partitions
    shared = [topic for topic in (FEATURES, START_MODEL, DEAD_LETTERS) if topic.name not in there]
    admin.provision([*(replace(CONTRACTS[topic], name=own) for topic, own in names.items()), *shared])
    inputs = _renamed(plain, names)
    given = {"aggregator_retry_seconds": 0.2, "aggregator_refresh_seconds": 0.2} | settings
    with KafkaWriter(kafka, "tests") as writer:
        made = Ground(kafka, postgres, lake, inputs, names, writer, AggregatorSettings.load(**given))
        with transaction(made.engine) as connection:
            ensure_feature_set(connection, FEATURE_SET, NAMES)
        try:
            yield made
        finally:
            made.engine.dispose()


def _renamed(plain: Inputs, names: Mapping[str, str]) -> Inputs:
    """The inputs under other names, read by groups of their own."""
    return replace(
        plain,
        history=names[plain.history],
        live=names[plain.live],
        facts={names[topic]: kind for topic, kind in plain.facts.items()},
        runs=names[plain.runs],
        group=f"aggregator-{uuid4().hex[:8]}",
        lake_group=f"lake-{uuid4().hex[:8]}",
    )


def tickers_on(partition: int, partitions: int, names: Iterable[str]) -> list[str]:
    """Return those of `names` whose records lie on a partition."""
    from shared.kafka.partitioner import partition_of

    return [name for name in names if partition_of(name.encode(), partitions) == partition]
