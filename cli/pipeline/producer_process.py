"""A producer as a child process: its JSON lines while it runs, its exit code and its peak memory at the end."""

import contextlib
import json
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.embedded.unit import inherited_environment, python_module
from shared.runtime.usage import peak_rss_mib

GRACE_SECONDS: Final = 15.0
KEPT_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a producer ended.

    Attributes:
        code: Exit code; negative: killed by that signal.
        peak_rss_mib: The most memory that it held, MiB.
        last_lines: What it wrote to standard error last.
    """

    code: int
    peak_rss_mib: float
    last_lines: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Return its last words, without the `error: ` in front."""
        said = [line for line in self.last_lines if line.strip()]
        return (said[-1] if said else f"it ended with {self.code}").removeprefix("error: ")

    @property
    def how(self) -> str:
        """Return what became of it, as the rest of a sentence."""
        return f"was killed by signal {-self.code}" if self.code < 0 else f"ended: {self.reason}"


@dataclass
class ProducerProcess:
    """A producer that runs.

    Attributes:
        name: stock, macro or company.
        process: The child.
        events: Its JSON lines, in order, not taken yet.
        ended: How it ended; None while it runs.
    """

    name: str
    process: subprocess.Popen[str]
    events: "queue.SimpleQueue[dict[str, Any]]" = field(default_factory=queue.SimpleQueue)
    ended: Ended | None = None
    _errors: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    _peak: float = 0.0
    _threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(
        cls, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> "ProducerProcess":
        """Start `python -m producers` with `arguments`.

        Args:
            name: What to call it.
            arguments: Its command line, which asks for JSON.
            environment: Variables on top of ours.
            log: File that keeps what it writes to standard error; None = only its last lines are kept.
        """
        child = subprocess.Popen(
            python_module("producers", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited_environment() | dict(environment),
            start_new_session=True,  # Ctrl-C is ours: we tell it to end
        )
        producer = cls(name, child)
        for work in (producer._read_events, lambda: producer._read_errors(log)):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            producer._threads.append(thread)
        threading.Thread(target=producer._reap, daemon=True).start()
        return producer

    def take(self) -> list[dict[str, Any]]:
        """Return the events that came since the last call. Call it often: it also looks at the memory."""
        # Not ru_maxrss: the kernel lets that begin with the memory of the process that forked, which is us.
        self._peak = max(self._peak, peak_rss_mib(self.process.pid) or 0.0)
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.events.get_nowait())
        return found

    def stop(self) -> None:
        """Tell it to end, and wait; kill it if it does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.ended is None:
                self.process.send_signal(number)  # does nothing to a child that was waited for
            self._done.wait(GRACE_SECONDS)

    def __post_init__(self) -> None:
        self._done = threading.Event()

    def _read_events(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  it is a pipe
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    self.events.put(event)

    def _read_errors(self, log: Path | None) -> None:
        assert self.process.stderr is not None  # noqa: S101  it is a pipe
        with log.open("a", encoding="utf-8") if log else contextlib.nullcontext() as file:
            for line in self.process.stderr:
                self._errors.append(line.rstrip("\n"))
                if file:
                    file.write(line)

    def _reap(self) -> None:
        """Wait for the end, once both pipes are read to theirs."""
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.ended = Ended(self.process.wait(), self._peak, tuple(self._errors))
        self._done.set()
