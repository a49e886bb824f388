"""What Docker itself says of the running containers, against what the compose file promises."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.testing.eventually import eventually
from tests.compose.stack import ROOT, Stack
from tests.infra.compose.test_compose_file import AS_ROOT, OURS, PUBLISHED

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]


def every(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    return [(service, one) for service, containers in stack.containers().items() for one in containers]


def test_containers_all_become_healthy(stack: Stack) -> None:
    stack.await_healthy()


def test_example_settings_start_nothing_and_are_named(tmp_path: Path) -> None:
    """Somebody copies .env.example and changes nothing."""
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    unset = Stack(tmp_path, "tickerstream-test-unset")
    try:
        refused = unset.compose("up", "-d", "--no-deps", "kafka", check=False)
        assert refused.returncode != 0
        assert "does not exist" in refused.stderr
        assert "change-me/kafka" in refused.stderr
    finally:
        unset.compose("down", "-v", check=False)


def test_containers_have_no_capability_and_cannot_get_any(stack: Stack) -> None:
    for service, one in every(stack):
        host = one["HostConfig"]
        assert host["CapDrop"] == ["ALL"], service
        assert [cap.removeprefix("CAP_") for cap in host["CapAdd"] or []] == AS_ROOT.get(service, []), service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Privileged"] is False, service


def test_containers_processes_have_no_capability_and_no_root(stack: Stack) -> None:
    """The kernel's own word on process 1 of each running container."""
    for service, one in every(stack):
        if one["State"]["Status"] != "running":
            continue
        status = stack.compose("exec", "-T", service, "cat", "/proc/1/status").stdout
        said = dict(line.split(":", 1) for line in status.splitlines())
        assert int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0, service
        assert said["NoNewPrivs"].strip() == "1", service
        assert "0" not in said["Uid"].split(), service
        if service in OURS:
            assert set(said["Uid"].split()) == {"10001"}, service


def test_containers_cannot_write_into_their_images(stack: Stack) -> None:
    for service, one in every(stack):
        assert one["HostConfig"]["ReadonlyRootfs"] is True, service
        if one["State"]["Status"] == "running":
            tried = stack.compose("exec", "-T", service, "sh", "-c", "touch /etc/passwd 2>&1", check=False)
            assert tried.returncode != 0, service


def test_containers_have_bounds(stack: Stack) -> None:
    for service, one in every(stack):
        host = one["HostConfig"]
        assert host["Memory"] > 0, service
        assert host["NanoCpus"] > 0, service
        assert 0 < host["PidsLimit"] <= 512, service
        assert host["Init"] is True, service
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}, service


def test_containers_publish_only_predictor_and_consoles_on_the_loopback_interface(stack: Stack) -> None:
    for service, one in every(stack):
        bound = one["HostConfig"]["PortBindings"] or {}
        assert {port.removesuffix("/tcp") for port in bound} == (
            {PUBLISHED[service]} if service in PUBLISHED else set()
        )
        assert {place["HostIp"] for places in bound.values() for place in places} <= {"127.0.0.1"}, service


def test_networks_of_servers_and_services_are_internal(stack: Stack) -> None:
    names = {name: f"{stack.project}_{name}" for name in ("edge", "app", "data")}
    said = subprocess.run(["docker", "network", "inspect", *names.values()], capture_output=True, text=True, check=True)
    internal = {one["Name"]: one["Internal"] for one in json.loads(said.stdout)}
    assert internal == {names["edge"]: False, names["app"]: True, names["data"]: True}
    for service, one in every(stack):
        if service in ("kafka", "postgres", "mongo"):
            assert set(one["NetworkSettings"]["Networks"]) == {names["data"]}


def test_containers_of_ours_have_no_password_in_their_environment(stack: Stack) -> None:
    secrets = {file.name: file.read_text() for file in (stack.folder / "secrets").iterdir()}
    for service, one in every(stack):
        text = json.dumps([one["Config"]["Env"], one["Config"]["Cmd"], one["Config"]["Entrypoint"], one["Args"]])
        for name, value in secrets.items():
            assert not value or value not in text, f"{service} shows {name}"


def test_containers_of_ours_see_their_own_passwords_only(stack: Stack) -> None:
    kafka = (stack.folder / "secrets/kafka_consumers").read_text()
    listed = stack.compose("exec", "-T", "consumers", "sh", "-c", "cd /run/secrets && ls && cat kafka_sasl_password")
    assert listed.stdout.split() == ["kafka_sasl_password", "lake_secret_key", kafka]


def test_images_of_ours_hold_nothing_that_installs_or_builds(stack: Stack) -> None:
    probe = "command -v pip pip3 gcc cc make git curl wget; python -c 'import pip' 2>/dev/null && echo pip"
    for service in ("consumers", "aggregator", "train", "predictor"):
        assert stack.compose("exec", "-T", service, "sh", "-c", probe, check=False).stdout == "", service


def test_console_of_the_lake_shows_a_folder_a_ticker_year_and_month(stack: Stack) -> None:
    """As a browser does: log in on the published port, and open the folder."""
    login = {"accessKey": "admin", "secretKey": (stack.folder / "secrets/lake_admin").read_text()}
    folder = "SIM.ALFA/2025/01/"
    base = f"http://127.0.0.1:{stack.setting('MINIO_CONSOLE_PORT')}/api/v1"
    with httpx.Client(base_url=base, headers={"User-Agent": "Mozilla/5.0"}, timeout=10) as browser:
        browser.post("/login", json=login).raise_for_status()

        def names() -> list[str]:
            answer = browser.get("/buckets/stock-data/objects", params={"prefix": folder}).raise_for_status()
            return [one["name"] for one in answer.json()["objects"] or []]

        eventually(lambda: f"{folder}SIM.ALFA_2025-W02.parquet" in names(), seconds=120, every=2.0)
