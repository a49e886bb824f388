"""The whole stack under its supervisor: start, faults, restarts, orphans and stop, with real servers."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import psutil
import pytest

from infra.embedded.addresses import addresses
from infra.embedded.kafka import broker_count
from infra.embedded.layout import Home
from infra.embedded.logs import tail
from infra.embedded.orphans import find_orphans, find_supervisor
from infra.embedded.services import ServiceEntry
from infra.embedded.stack import Wanted, restart, running_stack, start, stop, wipe
from infra.embedded.state import load_state
from infra.embedded.status import ProcessStatus, status
from shared.errors import ConfigurationError, TransientError
from shared.testing.eventually import eventually

SLEEPER = "import time\ntime.sleep(600)\n"
BEATING = """
import json, os, pathlib, time
beat = {"pid": os.getpid(), "service": "beating", "state": "paused", "detail": "the store is full",
        "at": "2026-01-01T00:00:00+00:00", "counters": {"rows": 7}}
pathlib.Path(os.environ["HEARTBEAT_FILE"]).write_text(json.dumps(beat))
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def service(name: str, program: str, heartbeat: bool = False) -> ServiceEntry:
    return ServiceEntry(name, (sys.executable, "-c", program), heartbeat=heartbeat)


def wanted(*services: ServiceEntry, provision: ServiceEntry | None = None) -> Wanted:
    return Wanted(services, provision)


def process(home: Home, name: str) -> ProcessStatus:
    return next(one for one in status(home).processes if one.name == name)


@pytest.fixture
def stack_home(home: Home) -> Iterator[Home]:
    """A home whose stack is stopped at the end, however the test left it."""
    yield home
    stop(home)
    assert find_orphans(home) == []


@pytest.fixture(scope="module")
def shared_home(new_home: Callable[[], AbstractContextManager[Home]]) -> Iterator[Home]:
    """A home whose servers are up; tests add services of their own names and judge only those."""
    with new_home() as home, running_stack(home, wanted()):
        yield home


def test_stack_started_is_healthy_and_stopped_leaves_nothing(stack_home: Home) -> None:
    started = start(stack_home, wanted(service("sleeper", SLEEPER), service("beating", BEATING, heartbeat=True)))
    assert not started.already_up
    now = status(stack_home)
    assert now.healthy, now
    assert [one.name for one in now.processes] == ["postgres", "kafka", "mongo", "sleeper", "beating"]
    assert all((one.rss_mib or 0) > 1 and (one.peak_rss_mib or 0) >= 1 for one in now.processes)
    beating = process(stack_home, "beating")
    assert (beating.state, beating.detail, beating.counters) == ("paused", "the store is full", {"rows": 7})
    assert (beating.heartbeat_age_seconds or 0) > 0

    pids = [one.pid for one in now.processes]
    stopped = stop(stack_home)
    assert (stopped.was_up, stopped.killed) == (True, [])
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert not status(stack_home).up


def test_services_get_the_addresses_by_their_environment(shared_home: Home) -> None:
    program = "import os, json; print(json.dumps(dict(os.environ)))"
    start(shared_home, wanted(service("printer", program)))
    eventually(lambda: process(shared_home, "printer").state == "finished")
    told = json.loads(shared_home.log("printer").read_text(encoding="utf-8"))
    assert addresses(shared_home).environment().items() <= told.items()
    assert told["LAKE_URL"] == f"file://{shared_home.lake}"
    assert told["HEARTBEAT_FILE"] == str(shared_home.run / "printer.json")
    assert broker_count(int(told["KAFKA_BOOTSTRAP_SERVERS"].split(":")[1])) == 1


def test_second_start_says_it_is_up_and_adds_what_is_lacking(stack_home: Home) -> None:
    start(stack_home, wanted(service("first", SLEEPER)))
    before = {one.name: one.pid for one in status(stack_home).processes}
    again = start(stack_home, wanted(service("first", SLEEPER)))
    assert (again.already_up, again.added) == (True, [])
    more = start(stack_home, wanted(service("first", SLEEPER), service("second", SLEEPER)))
    assert (more.already_up, more.added) == (True, ["second"])
    after = {one.name: one.pid for one in status(stack_home).processes}
    assert before.items() <= after.items()
    assert process(stack_home, "second").state == "running"


def test_crashed_service_is_restarted_with_growing_waits_and_shown(shared_home: Home) -> None:
    start(shared_home, wanted(service("crasher", "import sys; sys.exit('out of luck')"), service("good", SLEEPER)))
    crasher = eventually(lambda: one if (one := process(shared_home, "crasher")).restarts >= 2 else None)
    assert crasher.last_exit == 1
    eventually(lambda: process(shared_home, "crasher").detail == "out of luck")
    eventually(lambda: "crasher" in (now := status(shared_home)).message and not now.healthy)
    assert process(shared_home, "good").restarts == 0


def test_killed_service_runs_again(shared_home: Home) -> None:
    start(shared_home, wanted(service("victim", SLEEPER)))
    pid = process(shared_home, "victim").pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    again = eventually(lambda: one if (one := process(shared_home, "victim")).restarts == 1 and one.pid else None)
    assert again.pid != pid
    assert again.last_exit == -signal.SIGKILL


@pytest.mark.parametrize(("code", "state"), [(2, "failed"), (0, "finished")])
def test_service_that_ends_with_0_or_2_is_shown_and_not_restarted(shared_home: Home, code: int, state: str) -> None:
    program = f"import sys; print('API_KEY is missing'); sys.exit({code})"
    start(shared_home, wanted(service(f"ended-{code}", program), service(f"crasher-{code}", "raise SystemExit(1)")))
    # Two restarts of the other one later, this one would have been restarted, too.
    eventually(lambda: process(shared_home, f"crasher-{code}").restarts >= 2)
    ended = process(shared_home, f"ended-{code}")
    assert (ended.state, ended.restarts, ended.last_exit, ended.detail) == (state, 0, code, "API_KEY is missing")


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_killed_server_runs_again_at_the_same_port(stack_home: Home, server: str) -> None:
    start(stack_home, wanted())
    before = process(stack_home, server)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    after = eventually(
        lambda: one if (one := process(stack_home, server)).restarts >= 1 and one.state == "running" else None
    )
    assert after.pid != before.pid
    assert after.port == before.port
    assert status(stack_home).healthy


def test_processes_of_a_killed_supervisor_are_found_and_replaced(stack_home: Home) -> None:
    start(stack_home, wanted(service("sleeper", SLEEPER)))
    before = {one.name: one.pid for one in status(stack_home).processes}
    supervisor = find_supervisor(stack_home)
    assert supervisor
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not supervisor.alive())
    lost = status(stack_home)
    assert (lost.up, lost.healthy) == (False, False)
    assert "supervisor was lost" in lost.message

    again = start(stack_home, wanted(service("sleeper", SLEEPER)))
    assert set(again.cleaned) == {"postgres", "kafka", "mongo", "sleeper"}
    assert again.moved == []
    after = {one.name: one.pid for one in status(stack_home).processes}
    assert status(stack_home).healthy
    assert not set(before.values()) & set(after.values())
    assert not any(psutil.pid_exists(pid) for pid in before.values() if pid)


def test_orphans_are_stopped_even_when_the_state_file_is_gone(stack_home: Home) -> None:
    start(stack_home, wanted(service("sleeper", SLEEPER)))
    supervisor = find_supervisor(stack_home)
    assert supervisor
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not supervisor.alive())
    stack_home.state_file.unlink()
    assert {name for name, _ in find_orphans(stack_home)} == {"postgres", "kafka", "mongo", "sleeper"}
    assert stop(stack_home).was_up
    assert find_orphans(stack_home) == []


def test_state_file_of_before_a_reboot_is_recognised_as_stale(stack_home: Home) -> None:
    start(stack_home, wanted())
    stop(stack_home)
    state = load_state(stack_home.state_file)
    assert state
    # After a reboot the old pids belong to others: here to this test, with another time of creation.
    stale = json.loads(stack_home.state_file.read_text(encoding="utf-8"))
    stale["phase"] = "running"
    stale["supervisor"] = {"pid": os.getpid(), "created": 1.0}
    for unit in stale["units"]:
        unit.update(phase="running", process={"pid": os.getpid(), "created": 1.0})
    stack_home.state_file.write_text(json.dumps(stale), encoding="utf-8")
    assert not status(stack_home).up
    assert not stop(stack_home).was_up
    assert not start(stack_home, wanted()).already_up
    assert status(stack_home).healthy


def test_ports_taken_while_down_move_and_the_stack_starts(stack_home: Home) -> None:
    start(stack_home, wanted())
    before = addresses(stack_home)
    stop(stack_home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before.postgres_port))
        other.listen()
        started = start(stack_home, wanted())
        assert [(move.name, move.old) for move in started.moved] == [("postgres", before.postgres_port)]
        assert addresses(stack_home).postgres_port == started.moved[0].new
        assert addresses(stack_home).kafka_bootstrap_servers == before.kafka_bootstrap_servers
        assert status(stack_home).healthy


@pytest.mark.parametrize(("code", "error"), [(1, TransientError), (2, ConfigurationError)])
def test_failed_provisioning_stops_the_start_and_says_why(stack_home: Home, code: int, error: type[Exception]) -> None:
    job = service("provision", f"import sys; print('topic h_alpaca holds data'); sys.exit({code})")
    with pytest.raises(error, match="topic h_alpaca holds data"):
        start(stack_home, wanted(service("sleeper", SLEEPER), provision=job))
    assert find_orphans(stack_home) == []
    assert not status(stack_home).up


def test_provisioning_is_done_before_the_first_service(stack_home: Home) -> None:
    job = service("provision", "import os; open(os.environ['TICKERSTREAM_HOME'] + '/made', 'w').close()")
    check = "import os, time; assert os.path.exists(os.environ['TICKERSTREAM_HOME'] + '/made'); time.sleep(600)"
    start(stack_home, wanted(service("checker", check), provision=job))
    assert process(stack_home, "provision").state == "finished"
    assert process(stack_home, "checker").state == "running"


def test_restart_of_one_process_leaves_the_others(shared_home: Home) -> None:
    start(shared_home, wanted(service("one", SLEEPER), service("two", SLEEPER)))
    before = {one.name: one.pid for one in status(shared_home).processes}
    restart(shared_home, "one")
    after = {one.name: one.pid for one in status(shared_home).processes}
    assert before["one"] != after["one"]
    assert [before[name] for name in ("two", "postgres", "kafka", "mongo")] == [
        after[name] for name in ("two", "postgres", "kafka", "mongo")
    ]
    assert process(shared_home, "one").restarts == 0
    with pytest.raises(ConfigurationError, match="no process called three"):
        restart(shared_home, "three")


def test_settings_of_the_command_reach_what_it_starts_in_a_running_stack(
    shared_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("LOG_LEVEL", "TRAIN_SEED", "MONGO_USER", "OTHER")
    program = f"import os, time; print([os.environ.get(name) for name in {names}], flush=True); time.sleep(600)"
    for name, value in zip(names, ("debug", "8", "x", "x"), strict=True):
        monkeypatch.setenv(name, value)
    start(shared_home, wanted(service("taker", program)))
    log = shared_home.log("taker")
    eventually(lambda: tail(log, 1) == ["['debug', '8', '', None]"])

    monkeypatch.delenv("LOG_LEVEL")
    monkeypatch.setenv("TRAIN_SEED", "9")
    restart(shared_home, "taker")
    eventually(lambda: tail(log, 1) == ["['debug', '9', '', None]"])
    assert not list(shared_home.requests.iterdir())


def test_service_deaf_to_sigterm_is_killed_after_its_grace_and_told(stack_home: Home) -> None:
    start(stack_home, wanted(replace(service("deaf", STUBBORN), grace_seconds=0.5)))
    eventually(lambda: "deaf" in stack_home.log("deaf").read_text(encoding="utf-8"))
    assert stop(stack_home).killed == ["deaf"]


def test_wiped_home_starts_empty_and_refuses_while_up(stack_home: Home) -> None:
    with running_stack(stack_home, wanted()) as where:
        (stack_home.lake / "object").write_text("kept until wiped", encoding="utf-8")
        with pytest.raises(ConfigurationError, match="is up"):
            wipe(stack_home)
        assert where.postgres_password
    wipe(stack_home)
    assert {path.name for path in stack_home.root.iterdir()} == {"logs"}
    with pytest.raises(ConfigurationError, match="There is no stack"):
        addresses(stack_home)


def test_home_with_a_space_and_an_accent_works(stack_home: Home) -> None:
    odd = Home(stack_home.root / "my hôme ☃", stack_home.cache)
    with running_stack(odd, wanted()):
        assert status(odd).healthy


def test_page_of_a_predictor_that_listens_is_in_the_status(shared_home: Home) -> None:
    listen = (
        "import http.server, os, pathlib\n"
        "assert pathlib.Path(os.environ['MODEL_DIR']).is_dir()\n"
        "server = http.server.HTTPServer(('127.0.0.1', int(os.environ['PREDICTOR_PORT'])),"
        " http.server.SimpleHTTPRequestHandler)\n"
        "server.serve_forever()\n"
    )
    assert status(shared_home).page is None
    start(shared_home, wanted(replace(service("predictor", listen), port_variable="PREDICTOR_PORT")))
    page = status(shared_home).page
    assert page == addresses(shared_home).page
    assert process(shared_home, "predictor").port == addresses(shared_home).predictor_port > 0

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", addresses(shared_home).predictor_port)) == 0

    eventually(answers)
