"""One stack of containers for all tests of this folder, from a clean beginning to its removal.

TICKERSTREAM_COMPOSE_OVERRIDE names compose files (with colons) over the project's own, for a machine that cannot run it
as it is; TICKERSTREAM_COMPOSE_KEEP leaves the stack up for a look; TICKERSTREAM_REAL_DATA names a folder of bars.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.ports import free_port
from tests.compose.stack import ROOT, Stack

PORTS = ("PREDICTOR_PORT", "MINIO_CONSOLE_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
SETTINGS = {
    "SIMULATED_TICKERS": "2",
    "SIMULATED_SESSIONS": "20",
    "SIMULATED_SPEED": "600",
    "LAKE_FLUSH_SECONDS": "3",
    "KAFKA_PARTITIONS": "3",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with the profile `simulated`, small; removed with its volumes at the end, also after a failure."""
    folder = tmp_path_factory.mktemp("compose")
    subprocess.run(["sh", ROOT / "infra/docker/init.sh", folder], check=True, capture_output=True)
    ports: list[int] = []
    for _ in PORTS:
        ports.append(free_port(ports))
    settings = SETTINGS | dict(zip(PORTS, map(str, ports), strict=True))
    with (folder / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    overrides = tuple(Path(path) for path in os.environ.get("TICKERSTREAM_COMPOSE_OVERRIDE", "").split(":") if path)
    made = Stack(folder, f"tickerstream-test-{uuid.uuid4().hex[:8]}", overrides)
    try:
        made.compose("--profile", "*", "build")
        made.compose("up", "-d")
        yield made
    finally:
        if os.environ.get("TICKERSTREAM_COMPOSE_KEEP"):
            print(f"kept: docker compose {' '.join(made.options)} ps")
        else:
            made.compose("--profile", "*", "down", "-v", "--timeout", "5", check=False)
