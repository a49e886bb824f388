"""Rows and models in, answers out: each answer is computed once, published, and only then shown."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from predictor.answering import NoAnswerError, answer
from predictor.answers import AnswerBook, Shown, Silence
from predictor.models import ModelBook
from shared.clock import Clock
from shared.contracts.rows import FeatureRow
from shared.contracts.topics import PREDICTIONS
from shared.contracts.training import ModelEvent
from shared.errors import ContractError, TransientError
from shared.metrics.serving import COMPUTE_SECONDS, PUBLISH_SECONDS
from shared.ports import Outgoing, RecordWriter
from shared.runtime.failpoints import failpoint

FLUSH_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class Audience(Protocol):
    """Who is told of what changed: the event stream and the metrics."""

    def answered(self, shown: Shown) -> None:
        """Hear of an answer that is served from now on."""
        ...

    def models_changed(self, ticker: str) -> None:
        """Hear that other models serve the ticker, or that one could not."""
        ...


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where answers go."""

    writer: RecordWriter
    audience: Audience
    stopping: Callable[[], bool]


class Engine:
    """Keeps the answer of each ticker that of its newest row and its models in force.

    What is served has been acknowledged by Kafka before: after any crash, everything that anybody saw is in
    `predictions`, and the newest answers are derived again with the same ids.

    Args:
        models: The models in force.
        answers: What is served.
        outlets: Where answers go.
        clock: For `made_at`.
    """

    def __init__(self, models: ModelBook, answers: AnswerBook, outlets: Outlets, clock: Clock) -> None:
        self._models = models
        self._answers = answers
        self._outlets = outlets
        self._clock = clock
        self._lock = threading.Lock()

    def take_rows(self, rows: Iterable[FeatureRow]) -> None:
        """Answer rows, those that are news, in their order."""
        with self._lock:
            ready = []
            for row in rows:
                if not self._answers.is_news(row):
                    continue
                self._answers.take_row(row)
                shown = self._compute(row)
                if shown is not None:
                    ready.append(shown)
            self._publish(ready)

    def take_event(self, event: ModelEvent) -> bool:
        """Let a deployment take effect and answer the ticker's newest row anew; return whether it did."""
        changed = self._models.apply(event)
        self._refresh(event.ticker)
        return changed

    def retry_models(self) -> None:
        """Try deployments that failed again."""
        for ticker in self._models.retry():
            self._refresh(ticker)

    def _refresh(self, ticker: str) -> None:
        with self._lock:
            row = self._answers.rows.get(ticker)
            shown = self._compute(row) if row is not None else None
            self._publish([shown] if shown is not None else [])
        self._outlets.audience.models_changed(ticker)

    def _compute(self, row: FeatureRow) -> Shown | None:
        """Return the answer to a row unless it is served already; None, and silence, where there is none."""
        try:
            with COMPUTE_SECONDS.time():
                prediction = answer(row, self._models.of(row.ticker).values(), self._clock.now())
        except NoAnswerError as reason:
            self._answers.fall_silent(row.ticker, Silence(str(reason), reason.missing))
            return None
        except (ContractError, ValueError) as error:
            _log.error("%s has no answer: %s", row.ticker, error)
            self._answers.fall_silent(row.ticker, Silence(str(error), ("an answer of the models",)))
            return None
        shown, served = Shown.of(prediction, row.made_at), self._answers.newest.get(row.ticker)
        return None if served is not None and served.signature == shown.signature else shown

    def _publish(self, ready: list[Shown]) -> None:
        """Send the answers, wait until they are durable, then show them."""
        if not ready:
            return
        headers = {"schema": PREDICTIONS.schema.encode()}
        failpoint("predictor.before_publish")
        with PUBLISH_SECONDS.time():
            for shown in ready:
                record = Outgoing(PREDICTIONS.name, shown.ticker.encode(), shown.record, headers)
                self._patiently(partial(self._outlets.writer.send, record))
            self._patiently(partial(self._outlets.writer.flush, FLUSH_SECONDS))
        failpoint("predictor.before_show")
        for shown in ready:
            self._answers.show(shown)
            self._outlets.audience.answered(shown)

    def _patiently(self, action: Callable[[], None]) -> None:
        """Do `action`, again while Kafka is away; give up only when stopping."""
        while True:
            try:
                return action()
            except TransientError as error:
                if self._outlets.stopping():
                    raise
                _log.warning("predictions wait for Kafka: %s", error)
