"""The producers of one backfill: started together; one that is killed is started again, and resumes its run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.pipeline.plan import Backfill, command_line
from cli.pipeline.producer_process import Ended, ProducerProcess
from cli.settings import Connection
from infra.embedded.restarts import NEVER_AGAIN
from producers.arguments import Arguments

MOST_CRASHES: Final = 5


@dataclass
class _Watched:
    """A producer, whatever process it is by now: whether it told its end, and how often it crashed before."""

    process: ProducerProcess
    done: bool = False
    crashes: int = 0
    peak_rss_mib: float = 0.0

    def is_revived(self, ended: Ended) -> bool:
        """Return whether one that ended like this is started again."""
        return not self.done and ended.code not in NEVER_AGAIN and self.crashes < MOST_CRASHES


class Producers:
    """Runs the producers of a backfill.

    Args:
        system: Where they publish to.
        backfill: What each is asked for.
        logs: Folder for what they write to standard error; None = nowhere.
        say: Told when one is started again.
    """

    def __init__(self, system: Connection, backfill: Backfill, logs: Path | None, say: Callable[[str], None]) -> None:
        self._environment = system.environment
        self._run_id = backfill.run.run_id
        self._arguments: dict[str, Arguments] = {one.producer: one for one in backfill.arguments}
        self._logs = logs
        self._say = say
        self._watched: dict[str, _Watched] = {}

    def start(self) -> None:
        """Start all of them."""
        for name in self._arguments:
            self._watched[name] = _Watched(self._process(name))

    @property
    def over(self) -> bool:
        """Return whether none runs, and none is to be started again; true only once all events are taken."""
        return all(one.process.ended and not one.is_revived(one.process.ended) for one in self._watched.values())

    def take(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events that came since the last call, each with its producer; start again what was killed."""
        for name, one in self._watched.items():
            ended = one.process.ended  # asked first: then all of its events are there
            for event in one.process.take():
                one.done = one.done or event.get("event") == "done"
                yield name, event
            if ended is not None and one.is_revived(ended):
                self._revive(name, one, ended)

    def how_ended(self, name: str) -> tuple[Ended | None, float]:
        """Return how a producer's last process ended, and the most memory that any of its processes held, MiB."""
        one = self._watched[name]
        ended = one.process.ended
        return ended, max(one.peak_rss_mib, ended.peak_rss_mib if ended else 0.0)

    def stop(self) -> None:
        """Tell all of them to end, and wait."""
        for one in self._watched.values():
            one.process.stop()

    def _revive(self, name: str, one: _Watched, ended: Ended) -> None:
        one.crashes += 1
        one.peak_rss_mib = max(one.peak_rss_mib, ended.peak_rss_mib)
        self._say(f"the {name} producer {ended.how}; it is started again and goes on where it stands")
        one.process = self._process(name)

    def _process(self, name: str) -> ProducerProcess:
        log = self._logs / f"producers-{name}.log" if self._logs else None
        line = command_line(self._arguments[name], self._run_id)
        return ProducerProcess.start(name, line, self._environment, log)
