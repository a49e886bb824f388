"""Failpoints, stop flag, heartbeat, share of rejects, periodic loop, log lines."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.errors import ConfigurationError, TransientError
from shared.runtime import failpoints
from shared.runtime.failpoints import failpoint
from shared.runtime.handler import RejectShare
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.log import JsonFormatter, TextFormatter
from shared.runtime.loops import PeriodicLoop, job
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping, stop_on_signals
from shared.settings import RuntimeSettings
from shared.testing.eventually import eventually

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


def runtime(beat: Path | None = None) -> Runtime:
    clock = ManualClock(AT)
    return Runtime("tests", RuntimeSettings.load(), clock, Stopping(), Heartbeat(beat, "tests", clock))


def test_failpoint_acts_at_its_passage_only() -> None:
    failpoints.configure("a.b=raise@3, c=raise")
    try:
        failpoint("a.b")
        failpoint("other")
        failpoint("a.b")
        with pytest.raises(RuntimeError, match=r"failpoint a\.b"):
            failpoint("a.b")
        failpoint("a.b")
        with pytest.raises(RuntimeError):
            failpoint("c")
    finally:
        failpoints.configure("")
    failpoint("c")


@pytest.mark.parametrize("text", ["a", "a=explode", "a=kill@0", "a=kill@x", "=kill"])
def test_failpoint_text_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TICKERSTREAM_FAILPOINTS"):
        failpoints.configure(text)


@pytest.mark.parametrize(("act", "status"), [("kill", "killed"), ("stop", "stopped")])
def test_failpoint_kills_or_stops_its_own_process(act: str, status: str) -> None:
    code = f"from shared.runtime import failpoints as f; f.configure('x={act}'); f.failpoint('x'); print('went on')"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    _, state = os.waitpid(process.pid, os.WUNTRACED)
    if status == "killed":
        assert os.WTERMSIG(state) == signal.SIGKILL
        process.returncode = -signal.SIGKILL
        process.communicate()
    else:
        assert os.WSTOPSIG(state) == signal.SIGSTOP
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == b"went on\n"


def test_stopping_wait_ends_early_for_every_waiter() -> None:
    stopping = Stopping()
    found: list[bool] = []
    waiters = [threading.Thread(target=lambda: found.append(stopping.wait(60))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    stopping.set()
    for waiter in waiters:
        waiter.join(10)

    assert found == [True] * 3
    assert stopping()
    assert stopping.wait(60)


def test_stopping_wait_without_stop_returns_false() -> None:
    assert Stopping().wait(0.01) is False


def test_signals_set_the_flag_inside_only() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stopping = Stopping()
    with stop_on_signals(stopping):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.wait(10)

    assert signal.getsignal(signal.SIGTERM) == before


def test_heartbeat_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "beats" / "stock.json"
    heartbeat = Heartbeat(path, "consumers.stock", ManualClock(AT))
    heartbeat.beat("starting")
    heartbeat.beat("paused", "the store is down", {"rows": 5})

    assert json.loads(path.read_text()) == {
        "pid": os.getpid(),
        "service": "consumers.stock",
        "state": "paused",
        "detail": "the store is down",
        "at": "2026-01-05T15:00:00+00:00",
        "counters": {"rows": 5},
    }
    assert [p.name for p in path.parent.iterdir()] == ["stock.json"]


def test_heartbeat_without_a_file_does_nothing() -> None:
    Heartbeat(None, "x", ManualClock(AT)).beat("running")


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=60), st.integers(1, 100))
def test_reject_share_is_that_of_the_shortest_tail_that_fills_the_window(
    seen: list[tuple[int, int]], window: int
) -> None:
    share = RejectShare(window)
    records = [(rows, min(rows, rejects)) for rows, rejects in seen]
    for rows, rejects in records:
        share.add(rows, rejects)

    tail: list[tuple[int, int]] = []
    while len(tail) < len(records) and sum(rows for rows, _ in tail) < window:
        tail.insert(0, records[-1 - len(tail)])
    total, refused = sum(rows for rows, _ in tail), sum(Fraction(bad, rows) for rows, bad in tail)
    assert (share.rows, share.records) == (total, len(tail))
    assert share.exceeds(0.5) == (total >= window and refused * 2 > len(tail))


def test_whole_record_counts_like_the_records_before_it() -> None:
    share = RejectShare(100)
    share.add(40, 0)
    share.add(60, 0)
    share.add_whole()

    assert (share.rows, share.records, share.share) == (110, 2, 0.5)


def test_large_bad_record_among_single_bars_is_one_of_many() -> None:
    share = RejectShare(1000, records=20)
    share.add(1000, 0)
    share.add_whole()
    for _ in range(19):
        share.add(1, 0)

    assert not share.exceeds(0.5)


def test_periodic_loop_does_its_action_count_times(tmp_path: Path) -> None:
    done: list[int] = []
    made = runtime(tmp_path / "beat.json")

    assert PeriodicLoop(made, 0.001, lambda: done.append(1)).run(count=3) == 3
    assert len(done) == 3
    assert json.loads((tmp_path / "beat.json").read_text())["counters"] == {"passes": 3}


def test_periodic_loop_waits_out_a_transient_error(tmp_path: Path) -> None:
    states: list[str] = []

    def action() -> str:
        if not states:
            states.append("failed")
            raise TransientError("the store is down")
        states.append(json.loads((tmp_path / "beat.json").read_text())["state"])
        return "fine"

    PeriodicLoop(runtime(tmp_path / "beat.json"), 0.001, action).run(count=2)

    assert states == ["failed", "paused"]
    assert json.loads((tmp_path / "beat.json").read_text())["detail"] == "fine"


def test_periodic_loop_ends_when_stopped() -> None:
    made = runtime()
    thread = threading.Thread(target=PeriodicLoop(made, 3600, lambda: None).run)
    thread.start()
    made.stopping.set()
    thread.join(10)

    assert not thread.is_alive()


def test_periodic_loop_lets_other_errors_out() -> None:
    def action() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        PeriodicLoop(runtime(), 1, action).run()


def test_job_returns_what_its_action_returns() -> None:
    assert job(runtime(), lambda: 3) == 3


def test_log_lines_are_json_or_text() -> None:
    record = logging.LogRecord("shared.x", logging.WARNING, "f", 1, "100%% of %s", ("AAPL",), None)
    line = json.loads(JsonFormatter("consumers.stock").format(record))

    assert (line["level"], line["service"], line["logger"], line["message"]) == (
        "warning",
        "consumers.stock",
        "shared.x",
        "100% of AAPL",
    )
    assert datetime.fromisoformat(line["at"]).tzinfo is not None
    assert TextFormatter("consumers.stock").format(record).endswith("Z WARNING consumers.stock: 100% of AAPL")


def test_flag_set_while_the_main_thread_waits_does_not_deadlock() -> None:
    code = (
        "import os, signal, threading\n"
        "from shared.runtime.stopping import Stopping, stop_on_signals\n"
        "s = Stopping()\n"
        "def pester():\n"
        "    for _ in range(2000): os.kill(os.getpid(), signal.SIGTERM)\n"
        "with stop_on_signals(s):\n"
        "    t = threading.Thread(target=pester)\n"
        "    t.start()\n"
        "    while not s.wait(0.0001): pass\n"
        "    while t.is_alive(): s.wait(0.0001)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    eventually(lambda: process.poll() is not None)

    assert process.returncode == 0


def test_reject_share_of_a_few_large_records_says_nothing_yet() -> None:
    share = RejectShare(1000, records=20)
    for _ in range(19):
        share.add(500, 500)
    assert not share.exceeds(0.5)
    share.add(500, 500)
    assert share.exceeds(0.5)
