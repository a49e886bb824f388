"""The way past the lake: feature rows, models, served predictions, each waited for, shown and timed."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from cli.pipeline.featuring import FeatureWatch
from cli.pipeline.patience import Patience
from cli.pipeline.training import Failure, TrainingWatch, failures
from cli.predictor_client import PredictorClient, Served
from cli.progress import Board
from cli.settings import Connection
from shared.contracts.predictions import Prediction
from shared.contracts.training import Verdict
from shared.errors import TransientError
from shared.storage.feature_reader import FeatureReader
from shared.storage.job_progress import JobsView, TickerProgress
from shared.storage.models import ModelRegistry
from shared.storage.postgres import open_engine, transaction
from shared.storage.runs_store import Run, RunsStore

LOOK_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 180.0


@dataclass
class ServedResult:
    """What became of a run past the lake.

    Attributes:
        feature_rows: Rows of each ticker.
        models_trained: Jobs that made a model.
        failed: The jobs that made no model: most have too little to train on.
        broken: How many of those were tried again in vain: something is out of order.
        verdicts: Of the models that answered: how many have which.
        predictions: The first ones that were served, by ticker.
        features_seconds: From the lake's proof until every row was there.
        train_seconds: From then until every job was through.
        first_prediction_at: When the first prediction was served, on the monotonic clock.
    """

    feature_rows: dict[str, int] = field(default_factory=dict)
    models_trained: int = 0
    failed: list[Failure] = field(default_factory=list)
    broken: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    features_seconds: float = 0.0
    train_seconds: float = 0.0
    first_prediction_at: float | None = None

    @property
    def models_served(self) -> int:
        """Return how many models answered."""
        return sum(self.verdicts.values())

    def document(self) -> dict[str, Any]:
        """Return the numbers for a report."""
        return {
            "feature_rows": sum(self.feature_rows.values()),
            "models_trained": self.models_trained,
            "models_failed": len(self.failed),
            "models_served": self.models_served,
            "verdicts": {name: self.verdicts.get(name, 0) for name in get_args(Verdict)},
            "predictions": len(self.predictions),
        }


class ServedWay:
    """Waits for what the services make of one run.

    Args:
        system: Where they run.
        run_id: The run.
        bars: Bars of each of its tickers.
        shown: Where progress is shown.
        health: Raises when the stack is not able to go on.
    """

    def __init__(
        self, system: Connection, run_id: str, bars: Mapping[str, int], shown: Board, health: Callable[[], None]
    ) -> None:
        self._system = system
        self._run_id = run_id
        self._bars = bars
        self._shown = shown
        self._health = health
        self._patiently = Patience(shown, health)
        self._result = ServedResult()

    def go(self) -> ServedResult:
        """Wait for rows, models and predictions.

        Raises:
            ConfigurationError: the run was given up.
            TransientError: a service does not go on.
        """
        with open_engine(self._system.postgres) as engine, PredictorClient(self._system.predictor_url) as client:
            begun = time.monotonic()

            def run() -> Run | None:
                with transaction(engine) as connection:
                    return RunsStore().get(connection, self._run_id)

            line = self._shown.line("features", "rows")
            self._result.feature_rows = FeatureWatch(FeatureReader(engine), run, self._bars, line, self._health).wait()
            self._result.features_seconds = time.monotonic() - begun
            begun = time.monotonic()
            self._train(JobsView(engine), client)
            self._result.train_seconds = time.monotonic() - begun
            self._serve(ModelRegistry(engine), client)
        return self._result

    def _train(self, view: JobsView, client: PredictorClient) -> None:
        def look(found: Sequence[TickerProgress]) -> None:
            if self._result.first_prediction_at is None:
                done = (ticker.ticker for ticker in found if any(job.state == "done" for job in ticker.jobs))
                if (ticker := next(done, None)) is not None:
                    self._ask(client, ticker)

        found = TrainingWatch(view, self._run_id, self._shown, self._health, look).wait()
        self._result.models_trained = sum(job.state == "done" for ticker in found for job in ticker.jobs)
        self._result.failed = failures(found)
        self._result.broken = sum(job.state == "failed" and job.failures > 1 for one in found for job in one.jobs)
        self._wait_settled(view)

    def _wait_settled(self, view: JobsView) -> None:
        """Wait until the verdicts are final: that needs every model of the run."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not any(one.run_id == self._run_id and one.settled_at for one in self._patiently(view.runs)):
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the verdicts are not final {ANSWER_SECONDS:g} s after the last model; "
                    "see `tickerstream logs train`."
                )
            self._health()
            time.sleep(LOOK_SECONDS)

    def _serve(self, registry: ModelRegistry, client: PredictorClient) -> None:
        """Wait for a prediction of every ticker that has a model, by all models in force and with their verdicts."""
        # By digest: a model that was trained again from the same rows is the same bundle, and answers nothing anew.
        due: dict[str, set[tuple[str, Verdict]]] = {}
        for one in self._patiently(registry.served):
            if one.model.ticker in self._bars:
                due.setdefault(one.model.ticker, set()).add((one.model.digest, one.verdict))
        line, deadline = self._shown.line("predict", "tickers"), time.monotonic() + ANSWER_SECONDS
        found: dict[str, Prediction] = {}
        while len(found) < len(due):
            for ticker in sorted(due.keys() - found.keys()):
                prediction = self._ask(client, ticker)
                if prediction and {(one.digest, one.verdict) for one in prediction.models} == due[ticker]:
                    found[ticker] = prediction
            line.update(len(found), len(due), "")
            if len(found) < len(due):
                self._wait_for(min(due.keys() - found.keys()), deadline)
        line.finish(len(found))
        self._result.predictions = [found[ticker] for ticker in sorted(found)]
        self._result.verdicts = dict(Counter(one.verdict for p in found.values() for one in p.models))

    def _wait_for(self, ticker: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise TransientError(
                f"there is no prediction of {ticker} by all of its models after {ANSWER_SECONDS:g} s; "
                f"see `tickerstream predict {ticker}` and `tickerstream logs predictor`."
            )
        self._health()
        time.sleep(LOOK_SECONDS)

    def _ask(self, client: PredictorClient, ticker: str) -> Prediction | None:
        """Return a ticker's prediction; None where there is none yet. A predictor that starts again is waited for."""
        try:
            answer = client.prediction(ticker)
        except TransientError:
            return None
        if not isinstance(answer, Served):
            return None
        self._result.first_prediction_at = self._result.first_prediction_at or time.monotonic()
        return answer.prediction
