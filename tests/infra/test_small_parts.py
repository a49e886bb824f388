"""Ports, backoff, logs, identities and access lists, each by itself."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.access import SYSTEM_USER, let_search, server_user
from infra.embedded.files import read_object, write_atomic
from infra.embedded.layout import Home
from infra.embedded.logs import follow, last_line, rotate, tail
from infra.embedded.ports import choose_ports, free_port, is_free
from infra.embedded.processes import Identity, identify
from infra.embedded.restarts import Backoff, is_restarted
from infra.embedded.services import Service, ServiceEntry
from shared.testing.eventually import eventually


def test_ports_chosen_twice_stay_the_same(tmp_path: Path) -> None:
    first, _ = choose_ports(tmp_path / "ports.json", ["a", "b"])
    again, moved = choose_ports(tmp_path / "ports.json", ["a", "b"])
    assert again == first
    assert moved == []
    assert len(set(first.values())) == 2


def test_kept_port_taken_by_another_program_moves_and_is_told(tmp_path: Path) -> None:
    first, _ = choose_ports(tmp_path / "ports.json", ["a", "b"])
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["a"]))
        other.listen()
        again, moved = choose_ports(tmp_path / "ports.json", ["a", "b"])
    assert again["b"] == first["b"]
    assert [(move.name, move.old, move.new) for move in moved] == [("a", first["a"], again["a"])]
    assert again["a"] != first["a"]


def test_port_with_a_listener_is_not_free() -> None:
    port = free_port()
    assert is_free(port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)


@given(st.integers(1, 10_000))
def test_backoff_grows_from_half_a_second_to_thirty(crashes: int) -> None:
    backoff = Backoff()
    assert 0.5 <= backoff.delay(crashes) <= backoff.delay(crashes + 1) <= 30.0


def test_backoff_doubles_and_is_forgiven_after_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.delay(crashes) for crashes in (1, 2, 3, 7, 8)] == [0.5, 1.0, 2.0, 30.0, 30.0]
    assert backoff.crashes_in_a_row(5, ran_seconds=59.9) == 6
    assert backoff.crashes_in_a_row(5, ran_seconds=60.0) == 1


@pytest.mark.parametrize(
    ("kind", "code", "again"),
    [("service", 1, True), ("service", -9, True), ("service", 0, False), ("service", 2, False), ("server", 0, True)],
)
def test_exit_code_decides_on_the_restart(kind: str, code: int, again: bool) -> None:
    assert is_restarted(kind, code) is again


def test_long_log_is_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for text in ("first", "second", "third", "fourth", "fifth"):
        log.write_text(text * 10, encoding="utf-8")
        rotate(log, limit=20)
    assert not log.exists()
    kept = {path.name: path.read_text(encoding="utf-8")[:5] for path in tmp_path.iterdir()}
    assert kept == {"x.log.1": "fifth", "x.log.2": "fourt", "x.log.3": "third"}


def test_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {n}\n" for n in range(100)) + "\n", encoding="utf-8")
    assert tail(log, 3) == ["line 98", "line 99", ""]
    assert last_line(log) == "line 99"
    assert tail(tmp_path / "none.log", 3) == []


def test_followed_log_yields_whole_lines_and_outlives_rotation(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("before\n", encoding="utf-8")
    seen: list[str] = []

    def add(text: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(text)

    def rotate_and_add(text: str) -> None:
        log.replace(tmp_path / "x.log.1")
        add(text)

    steps = iter([lambda: add("one\ntw"), lambda: add("o\n"), lambda: rotate_and_add("three\n")])

    def still() -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is not None or len(seen) < 3

    for _, line in follow({"x": log}, still):
        seen.append(line)
    assert seen == ["one", "two", "three"]


def test_identity_of_a_reused_pid_is_not_alive() -> None:
    me = identify(os.getpid())
    assert me.alive()
    assert not Identity(me.pid, me.created - 60).alive()


def test_identity_of_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    identity = identify(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    child.wait()


def test_port_for_metrics_is_not_passed_on_to_the_services(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "9100")
    monkeypatch.setenv("METRICS_HOST", "127.0.0.7")
    told = "import os; print(os.environ.get('METRICS_PORT'), os.environ['METRICS_HOST'])"
    service = Service(home, ServiceEntry("teller", (sys.executable, "-c", told)), {})
    service.start()
    eventually(lambda: service.poll() is not None)
    assert tail(service.log, 1) == ["None 127.0.0.7"]


def test_unreadable_state_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_object(path) is None
    path.write_text('{"cut', encoding="utf-8")
    assert read_object(path) is None
    write_atomic(path, '{"a": 1}', mode=0o600)
    assert read_object(path) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_private_folder_opened_for_the_server_user_stays_closed_to_others(tmp_path: Path) -> None:
    user = server_user()
    assert user
    inner = tmp_path / "private" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    let_search(inner, user)
    assert (tmp_path / "private").stat().st_mode & 0o007 == 0
    assert subprocess.run(["test", "-d", inner], check=False, user=SYSTEM_USER).returncode == 0
    assert subprocess.run(["test", "-d", inner], check=False, user="nobody").returncode != 0
