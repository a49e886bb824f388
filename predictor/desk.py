"""Everything that HTTP answers from, gathered: no route knows how it came there."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from predictor.answers import AnswerBook, Shown, Silence
from predictor.broadcast import Broadcast
from predictor.history import Past
from predictor.models import ModelBook
from predictor.problems import ProblemError
from predictor.runs import RunBook, TrainingWatch
from predictor.settings import PredictorSettings
from predictor.views import ServedPrediction, TickerView, planted_view
from shared.clock import Clock
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.truth import PlantedTruth, decode_truth
from shared.ports import RecordWriter
from shared.storage.models import ModelRegistry

NO_ROW: Final = Silence("no feature row has come yet", ("features",))
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Health:
    """What has to be true before answers count. `troubles` tells, by topic, what Kafka's client says now."""

    restored: dict[str, bool] = field(default_factory=lambda: {"model_events": False, "features": False, "runs": False})
    troubles: Callable[[], dict[str, str]] = dict

    @property
    def ready(self) -> bool:
        """Return whether models and rows are read in."""
        return self.restored["model_events"] and self.restored["features"]


class Truth:
    """What the simulated exchange planted, read again when its file changes; nothing where there is none.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1
        self._planted: dict[str, PlantedTruth] = {}

    def of(self, ticker: str) -> PlantedTruth | None:
        """Return what is planted in a ticker."""
        return self._planted.get(ticker)

    def refresh(self) -> None:
        """Look whether the file changed."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._read_at:
                self._planted = {one.ticker: one for one in decode_truth(self._path.read_bytes())}
                self._read_at = changed
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            _log.warning("%s is not read: %s", self._path, error)


@dataclass(frozen=True)
class Books:
    """The state that the topics make up."""

    models: ModelBook
    answers: AnswerBook
    runs: RunBook
    truth: Truth


@dataclass(frozen=True)
class Stores:
    """PostgreSQL, which only history needs."""

    past: Past
    registry: ModelRegistry
    training: TrainingWatch


@dataclass(frozen=True)
class Desk:
    """What a route may use."""

    settings: PredictorSettings
    clock: Clock
    books: Books
    stores: Stores
    wishes: RecordWriter
    broadcast: Broadcast
    health: Health

    @cached_property
    def models(self) -> ModelBook:
        """Return the models in force."""
        return self.books.models

    @cached_property
    def answers(self) -> AnswerBook:
        """Return what is served."""
        return self.books.answers

    def now(self) -> datetime:
        """Return now, aware."""
        return self.clock.now()

    @property
    def tickers(self) -> list[str]:
        """Return every ticker that features or models are known of, by name."""
        return sorted({*list(self.answers.rows), *self.models.tickers})

    def knows(self, ticker: str) -> bool:
        """Return whether features or models of the ticker are known."""
        return ticker in self.answers.rows or ticker in self.models.tickers

    def silence(self, ticker: str) -> Silence | None:
        """Return why there is no answer; None where there is one."""
        if ticker in self.answers.newest:
            return None
        return self.answers.silent.get(ticker, NO_ROW)

    def refuse(self, ticker: str) -> ProblemError:
        """Return the problem of a ticker without an answer: 404 unknown, 409 with what is missing, 503 not yet read."""
        if not self.health.ready:
            return ProblemError(
                503, "starting", "The predictor is reading its topics", "Ask again in a few seconds: /health/ready."
            )
        silence = self.silence(ticker)
        if silence is None or not self.knows(ticker):
            detail = (
                f"{ticker[:64]} is not known: no features and no models of it have come. GET /v1/tickers lists all."
            )
            return ProblemError(404, "unknown-ticker", "Nothing is known of this ticker", detail)
        return missing(ticker, silence)

    def ticker(self, ticker: str) -> TickerView:
        """Return what is known of one ticker."""
        row, shown, models = self.answers.rows.get(ticker), self.answers.newest.get(ticker), self.models.of(ticker)
        silence, planted = self.silence(ticker), self.books.truth.of(ticker)
        return TickerView(
            ticker=ticker,
            simulated=ticker.startswith(SIMULATED_PREFIX),
            replayed=row is not None and row.replayed,
            timestamp=row.timestamp if row else None,
            close=row.close if row else None,
            feature_set=row.feature_set if row else None,
            age_seconds=self.age(shown) if shown else None,
            verdicts={kind: model.event.verdict for kind, model in models.items()},
            alerts=len(self.models.alerts(ticker)),
            prediction=self.served(shown) if shown else None,
            missing=list(silence.missing) if silence else [],
            reason=silence.reason if silence else None,
            planted=planted_view(planted) if planted else None,
        )

    def served(self, shown: Shown) -> ServedPrediction:
        """Return an answer with its age as of now."""
        return ServedPrediction.model_validate_json(shown.body(self.now().timestamp()))

    def age(self, shown: Shown) -> float:
        """Return the age of an answer in seconds."""
        return max(0.0, self.now().timestamp() - shown.born)


def missing(ticker: str, silence: Silence) -> ProblemError:
    """Return the 409 that says what is missing for an answer."""
    hint = " Train one: POST /v1/training." if "models" in silence.missing else ""
    title = "No model serves this ticker" if "models" in silence.missing else "The ticker has no answer yet"
    name = "no-model" if "models" in silence.missing else "no-answer"
    return ProblemError(409, name, title, f"{ticker}: {silence.reason}.{hint}", {"missing": list(silence.missing)})
