"""Monitoring on the real stack: Prometheus' own checks from its image, what it finds, and what `status` shows."""

import json
import os
import re
import subprocess
from urllib.parse import quote

import pytest
import yaml

from infra.monitoring.dashboards import DASHBOARDS
from shared.testing.eventually import eventually
from tests.compose.stack import ROOT, Stack
from tests.infra.monitoring.promtool import of_image

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def image() -> str:
    """The image of Prometheus that the compose file names; skips where it is not to be had."""
    named = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["image"]
    found = re.fullmatch(r"\$\{PROMETHEUS_IMAGE:-(.+)\}", named)
    assert found is not None
    image = os.environ.get("PROMETHEUS_IMAGE") or found.group(1)
    ways = (["docker", "image", "inspect", image], ["docker", "pull", "-q", image])
    if all(subprocess.run(way, check=False, capture_output=True).returncode for way in ways):
        pytest.skip(f"{image} is not to be had here")
    return image


def test_promtool_of_the_image_accepts_everything_and_sees_each_alert_fire(image: str) -> None:
    of_image(image).check_all()


def test_prometheus_finds_each_container_once_and_answers_every_panel(image: str, stack: Stack) -> None:
    stack.compose("up", "-d", "--no-recreate", "--scale", "consumers=2")
    stack.compose("up", "-d", "--no-recreate", "prometheus")

    lasting = ["consumers-actions", "consumers-company", "consumers-macro", "consumers-predictions", "minio"]
    lasting += ["aggregator", "consumers", "consumers", "predictor", "producers-simulated", "prometheus", "train"]

    def all_up() -> bool:
        found = stack.get("/api/v1/targets?state=active", "PROMETHEUS_PORT")["data"]["activeTargets"]
        assert sorted(one["labels"]["service"] for one in found if one["health"] == "up") == sorted(lasting)
        return True

    eventually(all_up, seconds=180, every=2.0, failing="Prometheus did not find every container up")
    for board in DASHBOARDS.values():
        for expression in board.expressions:
            asked = quote(expression.replace("$__rate_interval", "1m"))
            assert stack.get(f"/api/v1/query?query={asked}", "PROMETHEUS_PORT")["status"] == "success", expression
    for name in ("tickerstream_cgroup_memory_limit_bytes", "minio_cluster_capacity_usable_free_bytes"):
        eventually(
            lambda name=name: stack.get(f"/api/v1/query?query={name}", "PROMETHEUS_PORT")["data"]["result"],
            seconds=90, every=2.0, failing=f"nobody tells {name}",
        )  # fmt: skip


def test_status_shows_every_container_of_a_scaled_service(stack: Stack) -> None:
    stack.compose("up", "-d", "--no-recreate", "--scale", "consumers=2", "consumers")

    def shown() -> list[str]:
        document = json.loads(stack.cli("status", "--json", check=False).stdout)
        assert document["healthy"], document["message"]
        return [one["name"] for one in document["processes"]]

    names = eventually(shown, seconds=120, every=3.0)
    assert len(names) == len(set(names)) == 9
    assert len([name for name in names if name.startswith("consumers@")]) == 2
