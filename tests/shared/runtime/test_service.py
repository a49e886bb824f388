"""How a process ends: its exit code, what it prints, and that resources are closed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.testing.eventually import eventually

START = "import sys\nfrom shared.errors import *\nfrom shared.runtime.service import run\n"


def start(body: str, **environment: str) -> subprocess.Popen[str]:
    """Run `main(runtime)` with this body under `run`."""
    code = f"{START}def main(runtime):\n    {body}\nsys.exit(run('tests.service', main))\n"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


@pytest.mark.parametrize(("body", "code"), [("return None", 0), ("return 0", 0), ("return 1", 1), ("return 2", 2)])
def test_exit_code_is_what_main_returns(body: str, code: int) -> None:
    assert finish(start(body)) == (code, "")


@pytest.mark.parametrize("error", ["ConfigurationError", "ContractError"])
def test_error_that_a_person_must_mend_is_one_line_and_2(error: str) -> None:
    assert finish(start(f"raise {error}('it is wrong.\\n  Mend it.')")) == (2, "error: it is wrong. Mend it.\n")


def test_unexpected_error_is_a_traceback_and_1() -> None:
    code, stderr = finish(start("1 / 0"))

    assert code == 1
    assert "Traceback" in stderr
    assert "ZeroDivisionError" in stderr


@pytest.mark.parametrize("error", ["TransientError", "DeliveryError"])
def test_error_of_the_surroundings_is_one_log_line_and_1(error: str) -> None:
    code, stderr = finish(start(f"raise {error}('the broker is away')"))

    assert code == 1
    assert len(stderr.splitlines()) == 1
    assert "the broker is away" in stderr


def test_wrong_setting_is_one_line_and_2() -> None:
    code, stderr = finish(start("pass", LOG_FORMAT="xml"))

    assert code == 2
    assert stderr.startswith("error: LOG_FORMAT: ")
    assert len(stderr.splitlines()) == 1


def test_unknown_log_level_is_one_line_and_2() -> None:
    code, stderr = finish(start("pass", LOG_LEVEL="LOUD"))

    assert code == 2
    assert stderr.startswith("error: LOG_LEVEL: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_with_0_and_closes_resources(tmp_path: Path, number: signal.Signals) -> None:
    closed, beat = tmp_path / "closed", tmp_path / "beat.json"
    body = f"runtime.resources.callback(open, {str(closed)!r}, 'w'); runtime.heartbeat.beat('running'); "
    process = start(body + "runtime.stopping.wait(60)", HEARTBEAT_FILE=str(beat))
    eventually(lambda: beat.exists() and json.loads(beat.read_text())["state"] == "running")
    process.send_signal(number)

    assert finish(process)[0] == 0
    assert closed.exists()
    assert json.loads(beat.read_text())["state"] == "stopped"


def test_second_interrupt_kills(tmp_path: Path) -> None:
    beat = tmp_path / "beat.json"
    body = "runtime.stopping.wait(60); runtime.heartbeat.beat('running', 'stopping'); import time; time.sleep(60)"
    process = start(body, HEARTBEAT_FILE=str(beat))
    eventually(lambda: beat.exists())
    process.send_signal(signal.SIGINT)
    eventually(lambda: json.loads(beat.read_text())["detail"] == "stopping")
    process.send_signal(signal.SIGINT)

    assert finish(process)[0] == -signal.SIGINT


def test_crash_is_in_the_heartbeat(tmp_path: Path) -> None:
    beat = tmp_path / "beat.json"
    finish(start("1 / 0", HEARTBEAT_FILE=str(beat)))

    said = json.loads(beat.read_text())
    assert said["state"] == "stopped"
    assert said["detail"].startswith("crashed: ZeroDivisionError")


def test_log_lines_are_json_where_asked_for() -> None:
    code, stderr = finish(start("1 / 0", LOG_FORMAT="json"))

    (line,) = [json.loads(text) for text in stderr.splitlines()]
    assert code == 1
    assert line["service"] == "tests.service"
    assert "ZeroDivisionError" in line["traceback"]
