"""What programs and people are told."""

import io
import json

from producers.reporting import JsonReporter, Progress, TextReporter
from shared.clock import ManualClock
from tests.producers.parts import MONDAY


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_progress_comes_at_most_twice_a_second() -> None:
    clock, out = ManualClock(MONDAY), io.StringIO()
    reporter = JsonReporter(out, clock)
    for done in range(100):
        reporter.progress(Progress(done, 100, done * 10, "AAA.csv"))
        clock.advance(0.1)
    reporter.line("problem", "files:x", "no header")
    reporter.end("done", {"run_id": "r", "published": 5}, "")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0] == {"event": "progress", "done": 0, "total": 100, "rows": 0, "detail": "AAA.csv"}
    assert sum(line["event"] == "progress" for line in lines) <= 21
    assert lines[-2:] == [
        {"event": "problem", "origin": "files:x", "text": "no header"},
        {"event": "done", "run_id": "r", "published": 5},
    ]


def test_text_progress_tells_rate_and_time_left() -> None:
    clock, err, out = ManualClock(MONDAY), io.StringIO(), io.StringIO()
    reporter = TextReporter(err, out, clock)
    reporter.progress(Progress(0, 400, 0, ""))
    clock.advance(10.0)
    reporter.progress(Progress(100, 400, 5_000_000, "AAA.csv"))
    reporter.end("done", {}, "all done")
    assert err.getvalue() == " 25%  5,000,000 rows, 500,000 a second, 30 s left  AAA.csv\n"
    assert out.getvalue() == "all done\n"


def test_text_on_a_terminal_moves_one_line_and_clears_it() -> None:
    clock, err = ManualClock(MONDAY), Terminal()
    reporter = TextReporter(err, io.StringIO(), clock)
    clock.advance(100.0)
    reporter.progress(Progress(0, 0, 0, "x"))
    reporter.line("note", "files:x", "skipped")
    assert err.getvalue().startswith("\r100%")
    assert err.getvalue().endswith("\rnote: files:x: skipped\n")
