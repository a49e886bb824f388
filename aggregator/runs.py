"""Runs: what their producers declare and confirm, and `start_model`, once, when everything of a run is stored."""

from collections.abc import Callable, Iterable

from shared.clock import Clock
from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed
from shared.contracts.topics import START_MODEL
from shared.contracts.training import StartModel
from shared.features.catalogue import FEATURE_SET
from shared.storage.database import Connection
from shared.storage.outbox import Outbox
from shared.storage.run_tickers import RunTickers
from shared.storage.runs_store import RunsStore

Event = RunDeclared | TopicConfirmed | RunAborted
REASON = "run complete"


class Runs:
    """Applies run events and finishes runs, in the caller's transactions.

    Args:
        store: The runs.
        tickers: Which tickers they brought bars of.
        outbox: What leaves with the transaction.
        clock: For `requested_at`.
        topic_id: Tells Kafka's id of a topic.
    """

    def __init__(
        self, store: RunsStore, tickers: RunTickers, outbox: Outbox, clock: Clock, topic_id: Callable[[str], str]
    ) -> None:
        self._store = store
        self._tickers = tickers
        self._outbox = outbox
        self._clock = clock
        self._topic_id = topic_id

    def apply(self, connection: Connection, event: Event) -> None:
        """Store what an event says; again, it changes nothing."""
        match event:
            case RunDeclared():
                self._store.declare(connection, event)
            case TopicConfirmed():
                self._store.confirm(connection, event, self._topic_id(event.topic))
            case RunAborted():
                self._store.abort(connection, event)

    def note_tickers(self, connection: Connection, run_id: str, tickers: Iterable[str]) -> None:
        """Note that rows of these tickers were made for the run."""
        self._tickers.add(connection, run_id, tickers)

    def finish(self, connection: Connection, topics: Iterable[str]) -> list[str]:
        """Finish the runs that are done by what this transaction stored of `topics`; return their ids.

        Call it last: it takes the lock of each run that these topics take part in, until the transaction ends.
        """
        touched = frozenset(topics)
        waiting = [run.run_id for run in self._store.in_progress(connection) if touched & run.topics.keys()]
        return [run_id for run_id in sorted(waiting) if self._finish(connection, run_id)]

    def _finish(self, connection: Connection, run_id: str) -> bool:
        if not self._store.finish_if_done(connection, run_id):
            return False
        tickers = self._tickers.of(connection, run_id)
        if tickers:  # a run without a bar has nothing to train
            message = StartModel(
                run_id=run_id,
                tickers=tuple(tickers),
                reason=REASON,
                requested_at=self._clock.now(),
                feature_set=FEATURE_SET,
            )
            headers = {"schema": START_MODEL.schema.encode()}
            unique = f"{START_MODEL.name}/{run_id}"
            self._outbox.add(connection, START_MODEL.name, run_id.encode(), message.encode(), unique, headers)
        return True
