"""When a process that ended is started again."""

from dataclasses import dataclass

CONFIGURATION_EXIT = 2
NEVER_AGAIN = frozenset({0, CONFIGURATION_EXIT})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double from one crash to the next.

    Attributes:
        first: Seconds before the first restart.
        longest: Seconds that no waiting time exceeds.
        forgiven_after: Seconds of running after which the next crash counts as the first.
    """

    first: float = 0.5
    longest: float = 30.0
    forgiven_after: float = 60.0

    def crashes_in_a_row(self, before: int, ran_seconds: float) -> int:
        """Return how many crashes in a row this one makes, `before` being those before it."""
        return 1 if ran_seconds >= self.forgiven_after else before + 1

    def delay(self, crashes: int) -> float:
        """Return the seconds to wait after `crashes` crashes in a row."""
        return float(min(self.longest, self.first * 2 ** min(crashes - 1, 32)))


def is_restarted(kind: str, exit_code: int) -> bool:
    """Tell whether a process that ended by itself is started again: a server always, a service when it crashed."""
    return kind == "server" or exit_code not in NEVER_AGAIN
