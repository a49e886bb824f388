"""The consumer's part in the run loop: takes records into memory, and makes them durable in the lake on demand."""

import logging
from collections.abc import Collection
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait

from consumers.buffer import OpenObject, OpenObjects
from consumers.kinds import Kind
from consumers.merging import LakeWriter
from shared.errors import TransientError
from shared.ports import Record
from shared.runtime.failpoints import failpoint
from shared.runtime.loops import Handled

_log = logging.getLogger(__name__)


class LakeHandler:
    """A Handler whose effect is rows in the lake.

    Args:
        kind: What it lands.
        lake: Adds versions to objects.
        executor: Merges so many objects at the same time as it has threads.
        service: For the failpoint `<service>.after_write`, when everything is durable and no offset is committed.
    """

    def __init__(self, kind: Kind, lake: LakeWriter, executor: Executor, service: str) -> None:
        self._kind = kind
        self._lake = lake
        self._executor = executor
        self._service = service
        self._open = OpenObjects()
        self._history_waits = False

    def handle(self, record: Record) -> Handled:
        """Decode a record and keep its rows in memory."""
        decoded = self._kind.decode(record)
        for part in decoded.parts:
            self._open.add(part, record.position)
        if decoded.parts and record.position.topic not in self._kind.live_topics:
            self._history_waits = True
        return Handled(decoded.rows, decoded.rejected)

    def flush(self) -> None:
        """Merge everything into the lake; what one object's trouble kept out stays in memory."""
        merges = {self._executor.submit(self._merge, name, waiting): name for name, waiting in self._open}
        wait(merges, return_when=FIRST_EXCEPTION)
        for merge in merges:
            merge.cancel()
        wait(merges)
        written = 0
        for merge, name in merges.items():
            if not merge.cancelled() and merge.exception() is None:
                self._open.remove(name)
                written += merge.result()
        _raise_first_error(merges)
        self._history_waits = False
        failpoint(f"{self._service}.after_write")
        _log.debug("%d of %d objects written", written, len(merges))

    def discard(self) -> None:
        """Forget what is not yet in the lake."""
        self._open.clear()
        self._history_waits = False

    @property
    def pending_rows(self) -> int:
        """Return the memory in use, in bars: many short messages weigh more than their rows."""
        return self._open.weight

    @property
    def flush_when_idle(self) -> bool:
        """Return whether something waits that does not come a minute at a time."""
        return self._history_waits

    def _merge(self, name: str, waiting: OpenObject) -> bool:
        return self._lake.merge(name, waiting.all_frames(self._kind.dataset), waiting.lineage)


def _raise_first_error(merges: Collection[Future[bool]]) -> None:
    """Raise what went wrong, if anything: what ends the service before what is only for now."""
    errors = [error for merge in merges if not merge.cancelled() and (error := merge.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, TransientError)):
        raise error
