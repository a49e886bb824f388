"""What the processes of an embedded stack, and the command, are told of it."""

import json
import sys
from pathlib import Path

import pytest

from cli.settings import embedded
from cli.verify.lake_objects import LakeFiles
from infra.embedded.addresses import SERVER_PORTS, Addresses, addresses
from infra.embedded.control import request
from infra.embedded.layout import Home
from infra.embedded.logs import tail
from infra.embedded.ports import choose_ports
from infra.embedded.processes import Identity
from infra.embedded.services import Service, ServiceEntry
from infra.embedded.stack import stop
from shared.settings import LakeSettings
from shared.storage.lake import open_store
from shared.storage.lake_url import folder_of
from shared.testing.eventually import eventually

# An environment that was prepared for a cluster which asks for logins.
FOREIGN = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "x",
    "KAFKA_SASL_PASSWORD": "x",
    "KAFKA_SSL_CA_LOCATION": "/ca.pem",
    "KAFKA_REPLICATION": "3",
    "LAKE_URL": "s3s://lake.example",
    "LAKE_ACCESS_KEY": "x",
    "LAKE_SECRET_KEY": "x",
    "POSTGRES_USER": "x",
    "POSTGRES_PASSWORD": "x",
    "PGSSLMODE": "verify-full",
    "MONGO_USER": "x",
    "MONGO_PASSWORD": "x",
    "ACCESS_SECRETS_DIR": "/secrets",
    "PREDICTOR_HOST": "192.0.2.1",
    "TOPIC_MACRO": "macro",  # means the same in any system
}
TELL = """
import json, os
from infra.access.passwords import AccessSettings
from predictor.settings import PredictorSettings
from shared.settings import KafkaSettings, LakeSettings, MongoSettings, PostgresSettings
kinds = (AccessSettings, PredictorSettings, KafkaSettings, LakeSettings, MongoSettings, PostgresSettings)
told = {name: value for kind in kinds for name, value in kind.load().model_dump(mode="json").items()}
print(json.dumps(told | {"pgsslmode": os.environ["PGSSLMODE"]}))
"""


@pytest.fixture
def where(tmp_path: Path) -> Addresses:
    """The addresses of a stack that was up once."""
    return once_up(tmp_path / "home")


def once_up(root: Path) -> Addresses:
    home = Home(root, root.parent / "cache")
    home.create()
    choose_ports(home.ports_file, (*SERVER_PORTS, "predictor"))
    home.password_file.write_text("secret", encoding="utf-8")
    return addresses(home)


@pytest.mark.parametrize("name", ["home", "a#b", "a?b=c", "50%20off", "my home", "Börse"])
def test_lake_of_a_home_of_any_name_is_below_it_for_services_and_verifier(tmp_path: Path, name: str) -> None:
    where = once_up(tmp_path / name)
    assert folder_of(where.lake_url) == where.home.lake
    lake = where.settings(LakeSettings)
    open_store(lake).ensure_bucket("stock-data")
    assert (where.home.lake / "stock-data").is_dir()
    assert LakeFiles(lake).buckets() == ["stock-data"]


def test_logins_of_another_system_reach_neither_services_nor_the_command(
    where: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAFKA_PARTITIONS", "KAFKA_SESSION_SECONDS", "MONGO_DB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)

    service = Service(where.home, ServiceEntry("teller", (sys.executable, "-c", TELL)), where.environment())
    service.start()
    assert eventually(lambda: service.poll() is not None and tail(service.log, 1))
    told = json.loads(tail(service.log, 1)[0])
    assert told.pop("predictor_host") in where.page
    assert told["kafka_security_protocol"] == "PLAINTEXT"
    assert told["kafka_replication"] == 1
    assert (told["pgsslmode"], told["access_secrets_dir"]) == ("disable", "/run/secrets")
    assert told["topic_macro"] == "macro"
    for name in ("kafka_sasl_username", "kafka_sasl_password", "kafka_ssl_ca_location", "lake_access_key"):
        assert told[name] is None, name
    assert [told[name] for name in ("lake_secret_key", "mongo_user", "mongo_password")] == [None] * 3

    system = embedded(where.home, must_be_up=False)
    for settings in (system.kafka, system.lake, system.postgres):
        for name, value in settings.model_dump(mode="json").items():
            assert value == told[name], name
    assert system.postgres.postgres_password.get_secret_value() == where.postgres_password == "secret"


def test_request_carries_settings_of_services_alone_and_only_we_can_read_it(
    where: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"LOG_LEVEL": "debug", "TRAIN_MEMORY_MIB": "4096", "LAKE_WRITERS": "", "TOPIC_MACRO": "macro"}
    for name, value in (FOREIGN | settings | {"METRICS_PORT": "9100", "FRED_API_KEY": "x", "OTHER": "x"}).items():
        monkeypatch.setenv(name, value)
    nobody = Identity(1, 0.0)
    request(where.home, nobody, {"action": "restart", "name": "train"})
    (file,) = where.home.requests.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    left = json.loads(file.read_text(encoding="utf-8"))
    assert settings.items() <= left["settings"].items()
    assert not {"METRICS_PORT", "FRED_API_KEY", "OTHER", *FOREIGN.keys() - {"TOPIC_MACRO"}} & left["settings"].keys()
    stop(where.home)
    assert not file.exists()
