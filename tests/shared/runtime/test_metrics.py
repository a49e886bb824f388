"""What a process serves beside its work, asked over HTTP; and the health check of its container."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.embedded.ports import free_port
from shared.clock import ManualClock
from shared.errors import ConfigurationError
from shared.runtime.healthcheck import verdict
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.metrics import serving
from shared.testing.eventually import eventually
from tests.shared.runtime.test_service import START

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)


@contextmanager
def served(heartbeat: Heartbeat) -> Iterator[httpx.Client]:
    with serving("127.0.0.1", 0, heartbeat) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_health_is_the_heartbeat_and_503_once_it_is_old() -> None:
    clock = ManualClock(AT)
    heartbeat = Heartbeat(None, "consumers.stock", clock)
    with served(heartbeat) as client:
        assert (client.get("/health").status_code, client.get("/health").json()["state"]) == (503, "starting")
        heartbeat.beat("paused", "the store does not answer", {"rows": 7})
        clock.advance(59)
        found = client.get("/health")
        assert found.status_code == 200
        said = found.json()
        clock.advance(2)
        assert client.get("/health").status_code == 503
        heartbeat.beat("stopped")
        assert client.get("/health").status_code == 503
    assert (said["service"], said["state"], said["pid"]) == ("consumers.stock", "paused", os.getpid())
    assert (said["detail"], said["counters"], said["age_seconds"]) == ("the store does not answer", {"rows": 7}, 59.0)
    assert said["peak_rss_mib"] >= said["rss_mib"] > 1
    assert said["uptime_seconds"] > 0


def test_other_addresses_and_methods_are_refused() -> None:
    with served(Heartbeat(None, "x", ManualClock(AT))) as client:
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 405
        head = client.head("/metrics")
        assert (head.status_code, head.text) == (200, "")


def test_taken_port_is_one_line_that_names_the_settings() -> None:
    heartbeat = Heartbeat(None, "x", ManualClock(AT))
    with (
        serving("127.0.0.1", 0, heartbeat) as port,
        pytest.raises(ConfigurationError, match="METRICS_PORT: cannot"),
        serving("127.0.0.1", port, heartbeat),
    ):
        pass


def test_process_serves_metrics_of_itself_until_it_ends(tmp_path: Path) -> None:
    port = free_port()
    body = "runtime.heartbeat.beat('running', 'well'); runtime.stopping.wait(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{START}def main(runtime):\n    {body}\nsys.exit(run('tests.metrics', main))\n"],
        env={**os.environ, "METRICS_PORT": str(port), "HEARTBEAT_FILE": str(tmp_path / "beat.json")},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(
            lambda: verdict(str(tmp_path / "beat.json"), datetime.now(UTC)) == (True, "running: well"), seconds=30
        )
        assert httpx.get(f"{url}/health").json()["detail"] == "well"
        text = httpx.get(f"{url}/metrics").text
        checked = subprocess.run(
            [sys.executable, "-m", "shared.runtime.healthcheck"],
            env={**os.environ, "HEARTBEAT_FILE": str(tmp_path / "beat.json")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        process.terminate()
        assert process.wait(30) == 0
    families = {family.name: family for family in text_string_to_metric_families(text)}
    states = {one.labels["state"]: one.value for one in families["tickerstream_service_state"].samples}
    assert states == {"starting": 0, "running": 1, "paused": 0, "stopped": 0}
    assert families["tickerstream_service_info"].samples[0].labels["name"] == "tests.metrics"
    (memory,) = families["process_resident_memory_bytes"].samples
    assert memory.value > 1 << 20
    assert (checked.returncode, checked.stdout) == (0, "running: well\n")


def beat_in(path: Path, **changes: str) -> str:
    said = {"state": "running", "detail": "", "at": AT.isoformat()} | changes
    path.write_text(json.dumps(said))
    return str(path)


def test_health_check_follows_the_beat(tmp_path: Path) -> None:
    path = tmp_path / "beat.json"
    assert verdict(beat_in(path, detail="3 rows"), AT + timedelta(seconds=60)) == (True, "running: 3 rows")
    assert verdict(beat_in(path, state="paused"), AT) == (True, "paused")
    assert verdict(beat_in(path, state="stopped"), AT) == (False, "stopped")
    well, text = verdict(beat_in(path), AT + timedelta(seconds=61))
    assert (well, text[:40]) == (False, "running, but the last beat is 61 s old. ")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"state": "running", "detail": "", "at": "soon"}'])
def test_health_check_fails_on_what_is_no_beat(tmp_path: Path, text: str) -> None:
    (tmp_path / "beat.json").write_text(text)
    assert not verdict(str(tmp_path / "beat.json"), AT)[0]


def test_health_check_fails_without_a_beat(tmp_path: Path) -> None:
    assert verdict(None, AT) == (False, "HEARTBEAT_FILE is not set. Set it as for the service.")
    assert not verdict(str(tmp_path / "none.json"), AT)[0]


def test_health_check_loads_the_standard_library_only() -> None:
    code = "import sys, shared.runtime.healthcheck; print([m for m in sys.modules if m.split('.')[0] in %r])"
    heavy = ["pydantic", "psutil", "prometheus_client", "confluent_kafka", "polars"]
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
