"""Profiles on their way to the document store; what keeps one from being written keeps nothing else."""

from collections.abc import Callable

from shared.clock import Clock
from shared.errors import TickerstreamError, TransientError
from shared.storage.documents import DocumentStore
from shared.storage.profile_queue import ProfileFacts, ProfileQueue
from train.profiles import profiles


class ProfileWriter:
    """Writes what is due.

    Args:
        queue: What is due.
        store: Where it goes.
        clock: For `created_at`.
    """

    def __init__(self, queue: ProfileQueue, store: DocumentStore, clock: Clock) -> None:
        self._queue = queue
        self._store = store
        self._clock = clock

    def write_due(self, stopping: Callable[[], bool]) -> None:
        """Write the profiles of every ticker that is due.

        Raises:
            TransientError: the first reason why one could not be written; it stays due, the others are written.
        """
        first: TickerstreamError | None = None
        for ticker in self._queue.due():
            if stopping():
                return
            try:
                self._queue.write(ticker, self._put)
            except TransientError:
                raise  # the store is away: so it is for the others
            except TickerstreamError as error:
                first = first or error
        if first is not None:
            raise TransientError(str(first)) from first

    def _put(self, facts: ProfileFacts) -> None:
        for collection, document in profiles(facts, self._clock.now()).items():
            self._store.put(collection, facts.ticker, document)
