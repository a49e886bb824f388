"""The producer of live bars, whatever process it is by now: one that crashes is started again and goes on."""

import time
from collections.abc import Callable
from dataclasses import replace

from cli.pipeline.plan import command_line
from cli.pipeline.producer_process import Ended, ProducerProcess
from cli.pipeline.producers import MOST_CRASHES
from cli.settings import Connection
from infra.embedded.restarts import CONFIGURATION_EXIT, NEVER_AGAIN, Backoff
from producers.arguments import Arguments
from shared.errors import ConfigurationError, TransientError


class LiveProducer:
    """Runs a producer with --live; it is given up after MOST_CRASHES crashes in a row.

    Args:
        system: Where it publishes to.
        arguments: What it is asked for.
        say: Told when it is started again.
    """

    def __init__(self, system: Connection, arguments: Arguments, say: Callable[[str], None]) -> None:
        self._environment = system.environment
        self._log = system.home.log("producers-live") if system.home else None
        self._arguments = arguments
        self._say = say
        self._backoff = Backoff()
        self._crashes = 0
        self._again_at: float | None = None
        self._process = self._start(arguments)

    def look(self) -> Ended | None:
        """Return how it ended for good, None while it goes on; start it again where it crashed. Call it often."""
        ended = self._process.ended
        self._process.take()  # its events are for programs; what was sent is seen on the topic
        if ended is None or self._is_over(ended):
            return ended
        now = time.monotonic()
        if self._again_at is None:
            self._crashes = self._backoff.crashes_in_a_row(self._crashes, now - self._started)
            if self._is_over(ended):
                return ended
            self._again_at = now + self._backoff.delay(self._crashes)
            self._say(f"the live producer {ended.how}; it is started again and goes on where it stands")
        elif now >= self._again_at:
            # Without --again: that told what it had told before, once; from here on its mark counts.
            self._process, self._again_at = self._start(replace(self._arguments, again=False)), None
        return None

    def check(self) -> None:
        """Let pass what goes on, or ended well.

        Raises:
            ConfigurationError: it ended, and a person has to act.
            TransientError: it crashed too often.
        """
        ended = self.look()
        if ended is None or ended.code == 0:
            return
        if ended.code == CONFIGURATION_EXIT:
            raise ConfigurationError(ended.reason)
        raise TransientError(
            f"the live producer crashed {self._crashes} times in a row, the last time it {ended.how}. "
            "The same command goes on where it stands."
        )

    def stop(self) -> None:
        """Tell it to end, and wait."""
        self._process.stop()

    def _is_over(self, ended: Ended) -> bool:
        return ended.code in NEVER_AGAIN or self._crashes >= MOST_CRASHES

    def _start(self, arguments: Arguments) -> ProducerProcess:
        self._started = time.monotonic()
        return ProducerProcess.start("live", command_line(arguments, None), self._environment, self._log)
