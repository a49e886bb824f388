"""What train tells; the counts of jobs and models are PostgreSQL's, the same in every process of train."""

from typing import Final

from shared.metrics.instruments import LONG_SECONDS, Group

GROUP: Final = Group("Training")

JOBS: Final = GROUP.asked("training_jobs", "Jobs by state, in PostgreSQL", "state")
MODELS: Final = GROUP.asked("models_stored", "Models that were ever trained, in PostgreSQL", "kind", "verdict")
LAST_SUCCESS: Final = GROUP.asked(
    "training_last_success_timestamp_seconds", "When the newest model was registered, in PostgreSQL"
)
OLDEST_JOB: Final = GROUP.asked(
    "training_oldest_job_timestamp_seconds", "When the oldest job that is not through was filed, in PostgreSQL"
)
TRAINED: Final = GROUP.counter("models_trained", "Models that this process's workers trained", "kind", "verdict")
FAILURES: Final = GROUP.counter(
    "training_failures", "Attempts of this process's workers that failed, those included that are tried again", "kind"
)
STAGE_SECONDS: Final = GROUP.histogram(
    "training_stage_seconds", "Time of each stage of a model's training", LONG_SECONDS, "stage"
)
BUSY: Final = GROUP.asked("training_workers_busy", "Worker processes at work")
DEATHS: Final = GROUP.asked_counter("training_worker_deaths", "Worker processes that died at work")
SETTLED: Final = GROUP.asked_counter("training_runs_settled", "Runs whose verdicts became final here")
