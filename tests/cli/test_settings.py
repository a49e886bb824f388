"""Which system a command works on: never another one than was meant."""

from pathlib import Path

import pytest

from cli.settings import connect, predictor_of
from shared.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "LAKE_URL", "POSTGRES_HOST", "PREDICTOR_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TICKERSTREAM_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["LAKE_URL", "POSTGRES_HOST", "PREDICTOR_URL"])
def test_half_a_system_is_refused_and_the_usual_home_not_taken_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}"):  # no stack there: this is where it looks
        connect(None)
    monkeypatch.setenv(name, "s3://elsewhere:9000")
    with pytest.raises(ConfigurationError, match=f"^{name} name.*KAFKA_BOOTSTRAP_SERVERS is not set.*--home"):
        connect(None)
    with pytest.raises(ConfigurationError, match=f"{tmp_path}"):
        connect(tmp_path)


def test_servers_of_ones_own_are_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("LAKE_URL", "s3://minio:9000")
    monkeypatch.setenv("POSTGRES_HOST", "postgres")
    system = connect(None)
    assert system.home is None
    assert system.kafka.kafka_bootstrap_servers == "kafka:9092"
    assert system.lake.lake_url == "s3://minio:9000"
    assert system.postgres.postgres_host == "postgres"
    assert system.predictor_url == "http://127.0.0.1:8080/"


def test_lake_alone_is_enough_for_what_reads_only_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", "s3://minio:9000")
    assert connect(None, must_be_up=False).lake.lake_url == "s3://minio:9000"


def test_predictor_alone_is_enough_to_ask_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREDICTOR_URL", "http://predictor:8080")
    assert predictor_of(None) == "http://predictor:8080/"
    with pytest.raises(ConfigurationError, match=f"{tmp_path}"):
        predictor_of(tmp_path)
