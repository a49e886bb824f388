"""Which bars wait: those of a run in progress whose slow facts are not all confirmed and applied yet."""

from dataclasses import dataclass, field
from typing import Final

from aggregator.topics import Inputs
from shared.clock import Clock
from shared.kafka.admin import KafkaAdmin
from shared.ports import Record
from shared.storage.database import Engine
from shared.storage.offsets import OffsetStore
from shared.storage.postgres import transaction
from shared.storage.runs_store import Run, RunsStore

RUN_HEADER: Final = "run"
_LOOK_SECONDS: Final = 0.25


@dataclass(slots=True)
class _Wait:
    """What is known of a run whose bars came: as stored, or until which offset of `runs` it may still be declared."""

    open: bool
    reason: str = ""
    runs_end: dict[int, int] = field(default_factory=dict)


class RunGate:
    """Tells whether the bars of a run may be handled. Bars without a run, and of a run given up, always may.

    Args:
        engine: PostgreSQL.
        runs: The runs as they stand.
        offsets: What was applied of the topic of runs.
        admin: Tells where that topic ends.
        clock: For how often PostgreSQL is asked.
        inputs: The topics of slow facts, and the one of runs.
    """

    def __init__(
        self, engine: Engine, runs: RunsStore, offsets: OffsetStore, admin: KafkaAdmin, clock: Clock, inputs: Inputs
    ) -> None:
        self._engine = engine
        self._runs = runs
        self._offsets = offsets
        self._admin = admin
        self._clock = clock
        self._inputs = inputs
        self._known: dict[str, _Wait] = {}
        self._looked = float("-inf")

    def waits(self, record: Record) -> str:
        """Return why a record of bars has to wait; nothing if it does not."""
        header = record.headers.get(RUN_HEADER)
        if header is None:
            return ""
        run_id = header.decode(errors="replace")
        if run_id not in self._known:
            self._known[run_id] = self._look(run_id, {})
        found = self._known[run_id]
        return "" if found.open else found.reason

    def refresh(self) -> None:
        """Look again at the runs that bars wait for, a few times a second."""
        now = self._clock.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        for run_id, known in self._known.items():
            if not known.open:
                self._known[run_id] = self._look(run_id, known.runs_end)

    def forget(self) -> None:
        """Forget what is known: a run may have been given up, or begun again."""
        self._known.clear()

    def _look(self, run_id: str, runs_end: dict[int, int]) -> _Wait:
        with transaction(self._engine) as connection:
            run = self._runs.get(connection, run_id)
        if run is None:
            return self._undeclared(run_id, runs_end)
        missing = self._missing(run)
        if not missing:
            return _Wait(open=True)
        return _Wait(open=False, reason=f"run {run_id} waits for {', '.join(missing)}")

    def _missing(self, run: Run) -> list[str]:
        if run.state != "declared":
            return []
        return sorted(topic for topic, done in run.topics.items() if topic in self._inputs.facts and not done)

    def _undeclared(self, run_id: str, runs_end: dict[int, int]) -> _Wait:
        """Judge bars of a run that is not stored: its declaration came before them, but may not be read yet."""
        runs_end = runs_end or self._admin.end_offsets(self._inputs.runs)
        topic_id = self._admin.topic_id(self._inputs.runs)
        with transaction(self._engine) as connection:
            applied = self._offsets.stored(connection, topic_id)
        behind = any(applied.get(partition, 0) < end for partition, end in runs_end.items())
        return _Wait(open=not behind, reason=f"run {run_id} is not read yet", runs_end=runs_end)
