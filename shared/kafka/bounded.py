"""Keeps calls of the client library that have no time limit from hanging a service with a broker that hangs."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(call: Callable[[], T]) -> Future[T]:
    """Start `call` in a thread of its own, which does not keep the process from ending; return its future."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # raised again by whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
