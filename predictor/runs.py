"""Runs of producers as the `runs` topic tells them, and training as PostgreSQL tells it when it answers."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed, decode_run_event
from shared.errors import TickerstreamError
from shared.ports import Record
from shared.storage.job_progress import JobsView, RunProgress, TickerProgress

_log = logging.getLogger(__name__)


class RunView(BaseModel):
    """A run of a producer. `rows` are confirmed ones by topic; a topic without a number is still being sent."""

    run_id: str
    state: Literal["sending", "sent", "given up", "replaced"]
    source: str
    simulated: bool
    attempt: int
    rows: dict[str, int | None]
    refused: int
    declared_at: datetime
    finished_at: datetime | None = None
    reason: str | None = None


@dataclass(slots=True)
class _Run:
    declared: RunDeclared
    confirmed: dict[str, TopicConfirmed] = field(default_factory=dict)
    aborted: RunAborted | None = None
    replaced_by: RunDeclared | None = None


class RunBook:
    """What the `runs` topic tells, in its order."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def take(self, event: RunDeclared | TopicConfirmed | RunAborted) -> str:
        """Take an event in; return its run's id."""
        run = self._runs.get(event.run_id)
        match event:
            case RunDeclared():
                self._runs.pop(event.run_id, None)  # a further attempt is the newest again
                self._runs[event.run_id] = _Run(event, run.confirmed if run else {})
                for other in self._runs.values():
                    rival = other.declared.run_set == event.run_set and other.declared.run_id != event.run_id
                    if rival and _state(other) == "sending":
                        other.replaced_by = event
            case TopicConfirmed() if run is not None:
                run.confirmed[event.topic] = event
            case RunAborted() if run is not None:
                run.aborted = event
            case _:
                pass  # of a run that was declared before the topic's beginning
        return event.run_id

    def view(self, run_id: str) -> RunView | None:
        """Return one run."""
        run = self._runs.get(run_id)
        return _view(run) if run is not None else None

    def newest(self, limit: int) -> list[RunView]:
        """Return the newest runs, newest first."""
        return [_view(run) for run in list(self._runs.values())[: -limit - 1 : -1]]


def decode_run(record: Record) -> RunDeclared | TopicConfirmed | RunAborted:
    """Return the event of a record of `runs`.

    Raises:
        PoisonMessageError: it is none.
    """
    return decode_run_event(record.value)


def _state(run: _Run) -> Literal["sending", "sent", "given up", "replaced"]:
    if set(run.declared.topics) <= run.confirmed.keys():
        return "sent"
    if run.aborted is not None:
        return "given up"
    return "sending" if run.replaced_by is None else "replaced"


def _view(run: _Run) -> RunView:
    state, declared = _state(run), run.declared
    confirmed = run.confirmed.copy()
    ends = {
        "sending": None,
        "sent": max((event.at for event in confirmed.values()), default=None),
        "given up": run.aborted.at if run.aborted else None,
        "replaced": run.replaced_by.at if run.replaced_by else None,
    }
    rows = {name: confirmed.get(name) for name in declared.topics}
    return RunView(
        run_id=declared.run_id,
        state=state,
        source=declared.source,
        simulated=declared.simulated,
        attempt=declared.attempt,
        rows={name: sum(p.rows for p in event.partitions) if event else None for name, event in rows.items()},
        refused=sum(event.rejected for event in confirmed.values()),
        declared_at=declared.at,
        finished_at=ends[state],
        reason=run.aborted.reason if run.aborted and state == "given up" else None,
    )


class TrainingView(BaseModel):
    """Training as PostgreSQL tells it. `reachable` false: what is here may be old, and `reason` says why."""

    reachable: bool
    reason: str | None = None
    runs: tuple[RunProgress, ...] = ()
    tickers: tuple[TickerProgress, ...] = ()


class TrainingWatch:
    """Looks at training jobs now and then.

    Args:
        view: Reads them.
    """

    def __init__(self, view: JobsView) -> None:
        self._view = view
        self.seen = TrainingView(reachable=False, reason="not looked at yet")

    def look(self) -> Iterable[TickerProgress]:
        """Look once; return the tickers whose progress changed."""
        before = {one.ticker: one for one in self.seen.tickers}
        try:
            tickers = tuple(self._view.progress_of())
            self.seen = TrainingView(reachable=True, runs=tuple(self._view.runs()), tickers=tickers)
        except TickerstreamError as error:
            return self._fail(str(error))
        except Exception as error:  # a defect here must not end the serving of predictions
            _log.exception("training jobs cannot be read")
            return self._fail(f"training jobs cannot be read: {type(error).__name__}; see the log")
        return [one for one in tickers if before.get(one.ticker) != one]

    def _fail(self, reason: str) -> list[TickerProgress]:
        self.seen = self.seen.model_copy(update={"reachable": False, "reason": reason})
        return []
