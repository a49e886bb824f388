"""What docker-compose.yml promises, read from the file itself: no engine is needed."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from infra.access.identities import ADMIN, IDENTITIES

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
STACK: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
ONCE = sorted(name for name, service in SERVICES.items() if service["restart"] == "no")
LASTING = sorted(set(SERVICES) - set(ONCE))
SERVERS = ("kafka", "minio", "postgres", "mongo")
AS_ROOT = {"volumes": ["CHOWN"], "backup": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
PUBLISHED = {"predictor": "8080", "minio": "9001", "prometheus": "9090", "grafana": "3000"}
PASSWORDS = {
    "kafka": "kafka_sasl_password",
    "postgres": "postgres_password",
    "lake": "lake_secret_key",
    "mongo": "mongo_password",
}
USERS = {
    "kafka": "KAFKA_SASL_USERNAME",
    "postgres": "POSTGRES_USER",
    "lake": "LAKE_ACCESS_KEY",
    "mongo": "MONGO_USER",
}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def secrets_of(service: dict[str, Any]) -> dict[str, str]:
    """Source -> name of the file in the container."""
    given = [{"source": s, "target": s} if isinstance(s, str) else s for s in service.get("secrets", [])]
    return {s["source"]: s["target"] for s in given}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_any_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode", "env_file"} & set(service)
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"kafka", *AS_ROOT}))
def test_service_any_runs_as_nobody_special(name: str) -> None:
    service = SERVICES[name]
    assert not service["user"].startswith("0")
    assert "cap_add" not in service
    if name in OURS:
        assert service["user"] == "10001:10001"


def test_service_kafka_runs_as_the_user_of_its_image() -> None:
    assert not {"user", "cap_add"} & set(SERVICES["kafka"])


@pytest.mark.parametrize("name", AS_ROOT)
def test_service_that_handles_volumes_reaches_nothing_else(name: str) -> None:
    service = SERVICES[name]
    assert (service["user"], service["network_mode"], service["restart"]) == ("0:0", "none", "no")
    assert service["cap_add"] == AS_ROOT[name]
    assert not secrets_of(service)


def test_service_backup_sees_every_volume() -> None:
    assert SERVICES["backup"]["volumes"] == [f"{name}:/state/{name}" for name in STACK["volumes"]]


@pytest.mark.parametrize("name", LASTING)
def test_service_lasting_is_checked_restarted_and_given_time_to_end(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds(service["stop_grace_period"]) >= 30


@pytest.mark.parametrize("name", sorted(set(LASTING) & set(OURS)))
def test_service_of_ours_has_longer_to_end_than_a_flush_takes(name: str) -> None:
    from shared.kafka.options import ReaderOptions
    from shared.settings import LakeSettings

    lake = LakeSettings(lake_timeout_seconds=15, lake_retry_seconds=60)
    with pytest.raises(ValidationError, match=r"(?s)lake_timeout_seconds.*lake_retry_seconds"):
        LakeSettings(lake_timeout_seconds=16, lake_retry_seconds=61)  # no more can be asked for
    budget = lake.lake_retry_seconds + lake.lake_timeout_seconds + ReaderOptions().commit_seconds
    assert seconds(SERVICES[name]["stop_grace_period"]) > budget


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_any_image_is_pinned(name: str) -> None:
    image = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", SERVICES[name]["image"])
    tag = image.rpartition("/")[2].partition(":")[2]
    assert re.search(r"\d", tag), f"{image} has no version"


def test_ports_only_of_predictor_and_consoles_on_the_loopback_interface() -> None:
    found = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(found) == set(PUBLISHED)
    for name, ports in found.items():
        assert len(ports) == 1
        assert re.fullmatch(rf"127\.0\.0\.1:\$\{{[A-Z_]+:-\d+\}}:{PUBLISHED[name]}", ports[0])


def test_networks_between_servers_and_services_lead_nowhere_else() -> None:
    assert {name: (network or {}).get("internal", False) for name, network in STACK["networks"].items()} == {
        "edge": False,
        "app": True,
        "data": True,
    }
    on_edge = {name for name, service in SERVICES.items() if "edge" in service.get("networks", [])}
    asking = {"producers-stock", "producers-macro", "alpaca-history"}
    assert on_edge == set(PUBLISHED) | asking
    for name in ("prometheus", "grafana"):
        assert "data" not in SERVICES[name]["networks"]


def test_environment_any_holds_no_password() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|API_KEY|CREDENTIAL", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"


@pytest.mark.parametrize("name", sorted(set(OURS) - {"provision", *AS_ROOT}))
def test_service_of_ours_gets_passwords_of_one_identity(name: str) -> None:
    service, given = SERVICES[name], secrets_of(SERVICES[name])
    identity = service["environment"]["KAFKA_SASL_USERNAME"]
    rights = next(one for one in IDENTITIES if one.name == identity)
    for source, target in given.items():
        server, _, who = source.partition("_")
        if server in PASSWORDS:
            assert who == identity
            assert rights.is_in(server)  # type: ignore[arg-type]
            assert target == PASSWORDS[server]
            assert service["environment"][USERS[server]] == identity
        else:
            assert target == source, "a key of a vendor keeps its name"


def test_service_provision_gets_every_password_under_its_own_name() -> None:
    given = secrets_of(SERVICES["provision"])
    for server, target in PASSWORDS.items():
        assert given.pop(f"{server}_{ADMIN}") == target
    assert given == {name: name for name in expected_passwords() if not name.endswith(f"_{ADMIN}")}


def expected_passwords() -> set[str]:
    identities = {f"{server}_{one.name}" for server in PASSWORDS for one in IDENTITIES if one.is_in(server)}  # type: ignore[arg-type]
    return identities | {f"{server}_{ADMIN}" for server in PASSWORDS}


def test_volume_of_models_is_written_by_training_alone() -> None:
    uses = {
        name: volume
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if volume.startswith("models:") and name not in AS_ROOT
    }
    assert uses == {
        "train": "models:/var/lib/tickerstream/models",
        "predictor": "models:/var/lib/tickerstream/models:ro",
    }


def test_volumes_all_have_names_and_mounts_of_the_checkout_are_read_only() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, rest = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", volume).partition(":")
            if source.startswith("."):
                assert rest.endswith(":ro"), f"{name}: {volume}"
            else:
                assert source in STACK["volumes"], f"{name}: {volume}"


@pytest.fixture
def compose() -> None:
    """Skip where there is no docker, or one without compose."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    if subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("no docker compose")


@pytest.mark.usefixtures("compose")
def test_compose_any_profile_is_accepted_by_the_real_parser(tmp_path: Path) -> None:
    subprocess.run(["sh", ROOT / "infra/docker/init.sh", tmp_path], check=True, capture_output=True)
    files = ("-f", FILE, "-f", ROOT / "docker-compose.dev.yml")
    for chosen in (files[:2], files):
        command = ["docker", "compose", "--env-file", tmp_path / ".env", *chosen, "--profile", "*", "config", "-q"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("compose")
def test_compose_without_secrets_says_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / ".env"
    empty.write_text("")
    command = ["docker", "compose", "--env-file", empty, "-f", FILE, "config", "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "sh infra/docker/init.sh" in done.stderr
