"""A demo on a stack of its own, as a child process whose stages are told from what it prints."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import urllib3

from infra.embedded import stack
from infra.embedded.files import read_object
from infra.embedded.layout import Home
from infra.embedded.settings import resolve_home
from infra.embedded.state import load_state
from infra.embedded.status import status
from shared.testing.eventually import eventually

# What ends a stage is the last line of its work: `features: 46,776 rows, 9,000 rows/s, in 5.2 s`.
_OVER = {
    "publish": re.compile(r"^land in lake: .*\bin \d"),
    "features": re.compile(r"^features: .*\bin \d"),
    "train": re.compile(r"^train: .*\bin \d"),
}
BACK_SECONDS = 120.0
_NEXT = {"publish": "features", "features": "train", "train": "predict"}


class Demo:
    """A demo that runs.

    Args:
        home: Its home; the stack is up.
        arguments: On top of `demo --once`, home and report.
        log: File that keeps what it prints.
    """

    def __init__(self, home: Home, arguments: Sequence[str], log: Path) -> None:
        self.home = home
        self.stage = "publish"
        self._log = log
        self._report = log.with_suffix(".json")
        command = [sys.executable, "-m", "cli", "demo", "--once", "--home", str(home.root), "--report"]
        self._process = subprocess.Popen(
            [*command, str(self._report), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TICKERSTREAM_CACHE": str(home.cache), "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def pid(self, name: str) -> int | None:
        """Return the process id of a service, a server or a producer, while it runs."""
        if name.startswith("producers-"):
            return self._producer(name.removeprefix("producers-"))
        state = load_state(self.home.state_file)
        unit = state.unit(name) if state else None
        return unit.process.pid if unit and unit.process and unit.process.alive() else None

    def at_work(self, name: str) -> bool:
        """Return whether a process has begun with what it has to do in the stage."""
        if name.startswith("producers-"):
            kind = name.removeprefix("producers-")
            return any((self.home.root / "state" / "producers").glob(f"*.{kind}.json"))
        if name.startswith("consumers-") and self.stage == "publish":
            beat = read_object(self.home.heartbeat(name)) or {}
            counters = beat.get("counters")
            return isinstance(counters, dict) and bool(counters.get("records"))
        return any((self.home.root / "state" / "producers").glob("*.json"))

    def report(self) -> dict[str, Any]:
        """Wait for the end; return the report.

        Raises:
            RuntimeError: it did not end well.
        """
        code = self._process.wait()
        self._reader.join()
        if code != 0 or not self._report.exists():
            raise RuntimeError(f"the demo ended with {code}:\n{self._log.read_text(encoding='utf-8')[-4000:]}")
        found: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        return found

    def await_stack(self) -> None:
        """Wait until every process of the stack is back, for the last kills may come just before the demo's end.

        Raises:
            AssertionError: One stayed away.
        """
        eventually(self._is_whole, seconds=BACK_SECONDS, failing=f"the stack in {self.home.root} did not come back")

    def end(self) -> None:
        """End it, whatever it does."""
        if self.runs:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _is_whole(self) -> bool:
        now = status(self.home)
        if not now.healthy or now.page is None:
            return False
        try:
            return urllib3.request("GET", f"{now.page}health/ready", retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _producer(self, kind: str) -> int | None:
        try:
            for child in psutil.Process(self._process.pid).children():
                line = child.cmdline()
                if line[1:4] == ["-m", "producers", kind] and child.status() != psutil.STATUS_ZOMBIE:
                    return child.pid
        except psutil.Error:
            return None
        return None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._log.open("w", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                log.flush()
                if (over := _OVER.get(self.stage)) and over.match(line):
                    self.stage = _NEXT[self.stage]


@contextmanager
def running_demo(folder: Path, name: str, arguments: Sequence[str]) -> Iterator[Demo]:
    """Provide a demo on a fresh stack, which stays up after it until the end of the block."""
    home = Home((folder / name).absolute(), resolve_home().cache)
    stack.start(home)
    demo = Demo(home, arguments, folder / f"{name}.log")
    try:
        yield demo
    finally:
        demo.end()
        stack.stop(home)
