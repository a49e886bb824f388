"""Every service on servers that ask for passwords, each as its own identity: from a source to the ledger."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cli.__main__ import app
from infra.access.identities import ADMIN, IDENTITIES
from infra.embedded.layout import Home
from shared.settings import LakeSettings, MongoSettings, PostgresSettings
from shared.storage.postgres import open_engine, transaction
from shared.testing.eventually import eventually
from shared.testing.s3_server import ACCESS_KEY, SECRET_KEY
from tests.infra.access.secured import ADMIN_PASSWORD, PASSWORDS, SecuredKafka
from tests.servers import running
from tests.shared.storage.stores import minio_server

pytestmark = [pytest.mark.kafka, pytest.mark.torture]

COMMANDS = (
    ("topics", "list"),
    ("topics", "tail", "start_model", "-n", "1"),
    ("runs", "list"),
    ("tickers", "add", "AAPL"),
    ("tickers", "remove", "AAPL"),
    ("tickers", "list"),
    ("features", "list"),
    ("models", "list"),
    ("dlq", "list"),
    ("lake", "ls"),
    ("lake", "ls", "stock-data"),
    ("verify", "lake"),
    ("verify", "features"),
    ("features", "rebuild"),
    ("train", "SIM.ALFA", "--wait", "--kinds", "regression_gb"),
)

BY_MODELS = "SELECT count(*) FROM predictions WHERE document->'models' <> '[]'"


@dataclass
class Way:
    """Servers, and the environment of each identity."""

    kafka: SecuredKafka
    postgres: PostgresSettings
    mongo: MongoSettings
    lake: LakeSettings
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """What the processes of an identity are told; the administrator's are provisioning's."""
        admin = name == ADMIN
        kafka = self.kafka.admin if admin else self.kafka.user(name)
        return {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.kafka_bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": kafka.kafka_security_protocol,
            "KAFKA_SASL_MECHANISM": kafka.kafka_sasl_mechanism or "",
            "KAFKA_SASL_USERNAME": name,
            "KAFKA_SASL_PASSWORD": ADMIN_PASSWORD if admin else PASSWORDS[name],
            "KAFKA_PARTITIONS": "2",
            "POSTGRES_HOST": self.postgres.postgres_host,
            "POSTGRES_PORT": str(self.postgres.postgres_port),
            "POSTGRES_DB": self.postgres.postgres_db,
            "POSTGRES_USER": self.postgres.postgres_user if admin else name,
            "POSTGRES_PASSWORD": self.postgres.postgres_password.get_secret_value() if admin else PASSWORDS[name],
            "MONGO_URI": self.mongo.mongo_uri.get_secret_value(),
            "MONGO_DB": self.mongo.mongo_db,
            "LAKE_URL": self.lake.lake_url,
            "LAKE_ACCESS_KEY": ACCESS_KEY if admin else name,
            "LAKE_SECRET_KEY": SECRET_KEY if admin else PASSWORDS[name],
            "LAKE_FLUSH_SECONDS": "1",
            "TICKERSTREAM_HOME": str(self.folder),
            "MODEL_DIR": str(self.folder / "models"),
            "PREDICTOR_PORT": "0",
            "OMP_NUM_THREADS": "1",
        }

    def once(self, name: str, *arguments: str, **further: str) -> str:
        """Run a module as an identity to its end."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **self.environment(name), **further},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def start(self, name: str, *arguments: str) -> None:
        """Start a service as an identity."""
        command = [sys.executable, "-m", *arguments]
        environment = {**os.environ, **self.environment(name)}
        with (self.folder / f"{'-'.join(arguments)}.log").open("wb") as log:
            self.running[log.name] = subprocess.Popen(command, env=environment, stderr=log)

    def scalar(self, query: str) -> int:
        """Return what a query counts, as the owner sees it; none of the services may have ended meanwhile."""
        for log, process in self.running.items():
            assert process.poll() is None, Path(log).read_text()[-2000:]
        with open_engine(self.postgres) as engine, transaction(engine) as connection:
            return int(connection.execute(text(query)).scalar_one())


@pytest.fixture
def way(
    new_home: Callable[[], AbstractContextManager[Home]],
    database: PostgresSettings,
    mongo: MongoSettings,
    tmp_path: Path,
) -> Iterator[Way]:
    with ExitStack() as stack:
        kafka = stack.enter_context(running(SecuredKafka(stack.enter_context(new_home()))))
        lake = LakeSettings.load(lake_url=f"s3://127.0.0.1:{stack.enter_context(minio_server(tmp_path / 'lake'))}")
        documents = mongo.model_copy(update={"mongo_db": f"t_{uuid.uuid4().hex[:10]}"})
        made = Way(kafka, database, documents, lake, tmp_path)
        try:
            yield made
        finally:
            for process in made.running.values():
                process.terminate()
            for process in made.running.values():
                process.wait(60)


def test_services_do_their_work_with_their_own_rights(way: Way) -> None:
    secrets = way.folder / "secrets"
    secrets.mkdir()
    for identity in IDENTITIES:
        for server in ("kafka", "postgres", "lake"):
            if identity.is_in(server):
                (secrets / f"{server}_{identity.name}").write_text(PASSWORDS[identity.name])
    for said in (
        ("kafka: train may ", "postgres: train: 4", "lake: user cli made"),
        ("kafka: 6 users, as", "postgres: 6 roles, as", "lake: 3 users, as"),
    ):
        out = way.once(ADMIN, "infra.provision", ACCESS_SECRETS_DIR=str(secrets))
        assert all(line in out for line in said), out

    for kind in ("stock", "actions", "macro", "company", "predictions"):
        way.start("consumers", "consumers", kind)
    for name in ("aggregator", "train", "predictor"):
        way.start(name, name)
    for kind in ("macro", "company", "stock"):
        given = ("--sessions", "25", "--tickers", "1") if kind == "stock" else ("--sessions", "25")
        way.once("producers", "producers", kind, "--source", "simulated", *given, SIMULATED_TICKERS="1")

    eventually(lambda: way.scalar(BY_MODELS) > 0, seconds=240, failing="no prediction by a model came to the ledger")
    eventually(lambda: way.scalar("SELECT count(DISTINCT kind) FROM deployments") == 3, seconds=60)
    eventually(lambda: way.scalar("SELECT count(*) FROM ticker_profiles WHERE written < changed") == 0, seconds=60)
    for arguments in COMMANDS:
        done = CliRunner().invoke(app, list(arguments), env=way.environment("cli"))
        assert done.exit_code == 0, f"{arguments}: {done.output[-1000:]} {done.exception!r}"
    eventually(lambda: way.scalar("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0)
