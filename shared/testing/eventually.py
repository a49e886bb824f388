"""Wait for something to come true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    check: Callable[[], T], *, seconds: float = 60.0, every: float = 0.05, failing: str = "did not come true"
) -> T:
    """Call `check` until it returns something true, and return that.

    An AssertionError inside `check` counts as "not yet"; the last one is shown when time runs out.

    Args:
        check: What to wait for.
        seconds: How long to wait.
        every: Seconds between two calls.
        failing: What to say when it never came true.

    Raises:
        AssertionError: It did not come true within `seconds`.
    """
    deadline = time.monotonic() + seconds
    last: AssertionError | None = None
    while True:
        try:
            if found := check():
                return found
            last = None
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{failing} within {seconds:g} s") from last
        time.sleep(every)
