"""One ticker's training: rows, evaluation, final fit, bundle, registry. A kind that fails leaves the others alone."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from shared.clock import Clock
from shared.contracts.bars import SIMULATED_PREFIX
from shared.errors import ConfigurationError, ContractError, TransientError
from shared.features.catalogue import MODEL_FEATURES
from shared.modelling.bundle import write_bundle
from shared.modelling.manifest import Record
from shared.modelling.parity import ParityError
from shared.modelling.train_ticker import (
    PreparedTicker,
    TrainedModel,
    TrainingRequest,
    UntrainableError,
    prepare,
    train_model,
)
from shared.runtime.failpoints import failpoint
from shared.runtime.memory import give_back_freed
from shared.settings import ModelSettings
from shared.storage.deployments import Deployments
from shared.storage.feature_reader import FeatureReader
from shared.storage.jobs import Job, LostLeaseError, TrainingJobs
from shared.storage.models import NewModel
from shared.storage.trainable import TrainableRows
from train.link import Outcome, Work
from train.policy import decide
from train.progress import JobProgress
from train.statistics import lineage_of, statistics_of
from train.verdicts import judge_metrics

_PATIENCE_SECONDS = 300.0
_FINAL = (UntrainableError, ParityError, ConfigurationError, ContractError)
"""Errors that another try cannot mend."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """What a trainer reads and writes."""

    jobs: TrainingJobs
    deployments: Deployments
    rows: FeatureReader
    trainable: TrainableRows


class TickerTrainer:
    """Trains the jobs of one ticker and run.

    Args:
        stores: PostgreSQL.
        models: Horizon, session, and the model volume.
        seed: Of everything random in a fit.
        clock: For the bundle's record and the pace of progress.
        tell: Hears what becomes of each attempt.
    """

    def __init__(
        self, stores: Stores, models: ModelSettings, seed: int, clock: Clock, tell: Callable[[Outcome], None]
    ) -> None:
        self._stores = stores
        self._models = models
        self._seed = seed
        self._clock = clock
        self._tell = tell

    def train(self, work: Work) -> None:
        """Bring every job to an end: done, failed for good, or back in the queue.

        Args:
            work: The jobs, claimed by us.

        Raises:
            TransientError: PostgreSQL stayed away; what is not ended is another attempt's once the lease has run out.
        """
        jobs = work.jobs
        try:
            for attempt in _patiently():
                with attempt:
                    rows, features = self._load(jobs)
            statistics, lineage = statistics_of(rows, features), lineage_of(rows, jobs[0].feature_set)
            request = self._request(jobs[0], features, work.threads)
            prepared = prepare(rows, request, JobProgress(self._stores.jobs, self._clock, jobs))
            del rows
            give_back_freed()  # fits need memory that the rows as read have left
        except Exception as error:
            self._fail(jobs, error)
            return
        with ThreadPoolExecutor(work.at_once, thread_name_prefix="kind") as pool:
            for ended in [pool.submit(self._train_or_fail, job, prepared, statistics, lineage) for job in jobs]:
                ended.result()

    def _train_or_fail(
        self, job: Job, prepared: PreparedTicker, statistics: dict[str, Any], lineage: dict[str, str]
    ) -> None:
        try:
            self._train_one(job, prepared, statistics, lineage)
        except LostLeaseError as error:
            _log.warning("dropped: %s", error)
        except Exception as error:
            self._fail([job], error)

    def _load(self, jobs: Sequence[Job]) -> tuple[pl.DataFrame, list[str]]:
        job = jobs[0]
        JobProgress(self._stores.jobs, self._clock, jobs).tell("load", 0.0)
        stored = set(self._stores.trainable.features(job.feature_set))
        features = [name for name in MODEL_FEATURES if name in stored]
        if not features:
            raise UntrainableError(f"feature set {job.feature_set} has no feature that models may be fed with")
        rows = self._stores.rows.read_training_rows(job.ticker, job.feature_set, features)
        if rows.is_empty():
            raise UntrainableError(f"there are no feature rows of {job.ticker} in feature set {job.feature_set}")
        return rows, features

    def _request(self, job: Job, features: Sequence[str], threads: int) -> TrainingRequest:
        return TrainingRequest(
            ticker=job.ticker,
            feature_set=job.feature_set,
            features=features,
            horizon_minutes=self._models.horizon_minutes,
            session="extended" if self._models.session == "extended" else "regular",
            seed=self._seed,
            threads=threads,
        )

    def _train_one(
        self, job: Job, prepared: PreparedTicker, statistics: dict[str, Any], lineage: dict[str, str]
    ) -> None:
        progress = JobProgress(self._stores.jobs, self._clock, [job])
        record = Record(created_at=self._clock.now(), run_id=job.run_id, lineage=lineage)
        trained = train_model(prepared, job.kind, record, progress)
        progress.tell("write", 0.95)
        for attempt in _patiently():
            with attempt:
                digest = write_bundle(self._models.model_dir, trained.bundle, lambda: failpoint("train.before_rename"))
        failpoint("train.after_rename")
        progress.tell("deploy", 0.98)
        new = self._new_model(job, trained, digest, progress.seconds)
        failpoint("train.before_deploy")
        for attempt in _patiently():
            with attempt:
                model, decision = self._stores.deployments.complete(job, new, statistics, judge_metrics, decide)
        failpoint("train.after_deploy")
        self._tell(Outcome(job.kind, model.verdict, progress.seconds))
        _log.info("%s: %s; %s", model.model_id, model.verdict, decision.reason)

    def _new_model(self, job: Job, trained: TrainedModel, digest: str, seconds: dict[str, float]) -> NewModel:
        return NewModel(
            ticker=job.ticker,
            kind=job.kind,
            digest=digest,
            run_id=job.run_id,
            feature_set=job.feature_set,
            horizon_minutes=self._models.horizon_minutes,
            metrics=trained.evaluation.model_dump(mode="json"),
            seconds=seconds,
            trained_from=trained.trained_from,
            trained_to=trained.trained_to,
            rows=trained.rows,
            simulated=job.ticker.startswith(SIMULATED_PREFIX),
        )

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        """Say why, patiently; a job that is another attempt's by now is not ours to fail."""
        known = isinstance(error, (*_FINAL, TransientError))
        said = str(error) if known else f"{type(error).__name__}: {error}"
        for job in jobs:
            self._tell(Outcome(job.kind))
            _log.warning("%s %s, attempt %d: %s", job.ticker, job.kind, job.attempt, said, exc_info=not known)
            try:
                for attempt in _patiently():
                    with attempt:
                        self._stores.jobs.fail(job, said, retry=not isinstance(error, _FINAL))
            except LostLeaseError as lost:
                _log.warning("dropped: %s", lost)


def _patiently() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_random_exponential(0.1, max=5.0),
        reraise=True,
    )
