"""`.env.example` has every setting, and `init.sh` makes what the compose file asks for."""

import importlib
import pkgutil
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pydantic import SecretStr

import aggregator
import cli
import consumers
import infra.access
import predictor
import producers
import shared
import train
from shared.settings import Settings
from tests.infra.compose.test_compose_file import FILE, ROOT, SERVICES, STACK, expected_passwords

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
KEYS = {"alpaca_api_key", "alpaca_secret_key", "fred_api_key"}
# What the compose file sets itself: addresses, folders and ports inside the stack, and who logs in.
FIXED = {
    *("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME"),
    *("LAKE_URL", "LAKE_ACCESS_KEY", "MONGO_URI", "MONGO_USER", "MODEL_DIR", "HEARTBEAT_FILE"),
    *("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "PREDICTOR_HOST", "PREDICTOR_URL"),
    "PREDICTOR_PAGE",
    *("METRICS_HOST", "METRICS_PORT", "TICKERSTREAM_HOME", "TICKERSTREAM_SERVICES", "ACCESS_SECRETS_DIR"),
}
ABSENT = {
    "KAFKA_SSL_CA_LOCATION",  # the stack's own network carries no TLS
    "TICKERSTREAM_FAILPOINTS",  # tests only
    "TICKERSTREAM_CACHE",  # the embedded stack only
}


def modules(package: ModuleType) -> Iterator[str]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.rpartition(".")[2] in ("settings", "passwords"):
            yield found.name


def fields() -> dict[str, bool]:
    """Every setting of every service -> whether it is a secret."""
    for package in (shared, producers, consumers, aggregator, train, predictor, cli, infra.access):
        for name in modules(package):
            importlib.import_module(name)
    for name in ("infra.provision", "infra.embedded.settings"):
        importlib.import_module(name)

    def classes(base: type[Settings]) -> Iterator[type[Settings]]:
        for one in base.__subclasses__():
            yield one
            yield from classes(one)

    return {
        name.upper(): SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))
        for one in classes(Settings)
        if not one.__module__.startswith("tests")
        for name, field in one.model_fields.items()
    }


def in_example() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))


def in_compose() -> set[str]:
    text = "".join(file.read_text(encoding="utf-8") for file in (FILE, ROOT / "docker-compose.dev.yml"))
    return set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)", text))


def test_env_example_has_every_setting_that_is_no_secret() -> None:
    settings = {name for name, secret in fields().items() if not secret}
    assert settings - in_example() - FIXED - ABSENT == set()


def test_env_example_has_no_secret() -> None:
    secrets = {name for name, secret in fields().items() if secret} - {"MONGO_URI"}
    assert secrets & in_example() == set()


def test_env_example_names_what_the_compose_file_reads_and_nothing_else() -> None:
    assert in_example() == in_compose() | {"COMPOSE_PROJECT_NAME"}


def test_env_example_defaults_are_those_of_the_code() -> None:
    defaults = {
        name.upper(): field.default
        for one in Settings.__subclasses__()
        if not one.__module__.startswith("tests")
        for name, field in one.model_fields.items()
    }
    differing = {"LOG_FORMAT", "TRAIN_WORKERS"}
    for name, text in re.findall(r"^#([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE):
        if name in defaults and name not in differing:
            assert text == written(defaults[name]), name


def test_compose_predictor_reads_what_is_planted_where_the_producers_write_it() -> None:
    image = (ROOT / "infra/docker/Dockerfile").read_text(encoding="utf-8")
    (home,) = re.findall(r"TICKERSTREAM_HOME=(\S+)", image)
    for name in ("simulated-stock", "producers-simulated", "cli", "predictor"):
        mounted = [volume.split(":")[:2] for volume in SERVICES[name]["volumes"]]
        assert ["producers", home] in mounted, name
    given = {name for service in SERVICES.values() for name in (service.get("environment") or {})}
    assert not {name for name in given if name == "TICKERSTREAM_HOME" or "TRUTH" in name}, "one file for both"


def written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(["sh", ROOT / "infra/docker/init.sh", folder], check=True, capture_output=True)
    return folder


def test_init_makes_a_password_of_its_own_for_each_file_of_the_compose_file(made: Path) -> None:
    files = {file.name: file.read_text() for file in (made / "secrets").iterdir()}
    assert set(files) == set(STACK["secrets"]) == expected_passwords() | KEYS | {"grafana_admin"}
    passwords = [text for name, text in files.items() if name not in KEYS]
    assert len(set(passwords)) == len(passwords)
    assert all(re.fullmatch("[A-Za-z0-9]{32}", password) for password in passwords)
    assert all(files[name] == "" for name in KEYS)


def test_init_keeps_others_of_the_machine_out(made: Path) -> None:
    assert stat.S_IMODE((made / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((made / ".env").stat().st_mode) == 0o600
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (made / "secrets").iterdir()}
    assert {mode for name, mode in modes.items() if name not in KEYS} == {0o444}


def test_init_leaves_no_example_value(made: Path) -> None:
    text = (made / ".env").read_text()
    assert "change-me" not in text
    assert f"SECRETS_DIR={made}/secrets" in text.splitlines()
    assert re.search(r"^KAFKA_CLUSTER_ID=[A-Za-z0-9]{21}A$", text, re.MULTILINE)


@pytest.mark.parametrize("present", [".env", "secrets"])
def test_init_overwrites_nothing(tmp_path: Path, present: str) -> None:
    (tmp_path / present).mkdir()
    done = subprocess.run(["sh", ROOT / "infra/docker/init.sh", tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"init: {tmp_path}/{present} is there already")
    assert len(done.stderr.splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [present]


def test_compose_secrets_all_lie_in_the_folder_that_env_names() -> None:
    for name, secret in yaml.safe_load(FILE.read_text(encoding="utf-8"))["secrets"].items():
        assert re.fullmatch(rf"\$\{{SECRETS_DIR:\?[^}}]+\}}/{name}", secret["file"])
