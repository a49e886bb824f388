"""How training stands as a whole: jobs by state, models by verdict, since when, for those who watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, func, select

from shared.storage.postgres import transaction
from shared.storage.training_tables import MODELS
from shared.storage.training_tables import TRAINING_JOBS as JOBS


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """How training stands.

    Attributes:
        jobs: Jobs by state; all states are there.
        models: Models that were ever trained, by kind and verdict.
        newest_model: When the newest of them was registered.
        oldest_job: When the oldest job that is not through was filed.
    """

    jobs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("queued", "running", "done", "failed"), 0))
    models: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    newest_model: datetime | None = None
    oldest_job: datetime | None = None


def read_counts(engine: Engine) -> TrainingCounts:
    """Return how training stands.

    Raises:
        TransientError: PostgreSQL does not answer.
    """
    is_open = JOBS.c.state.in_(("queued", "running"))
    with transaction(engine) as connection:
        jobs = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state)).all()
        models = connection.execute(
            select(MODELS.c.kind, MODELS.c.verdict, func.count()).group_by(MODELS.c.kind, MODELS.c.verdict)
        ).all()
        return TrainingCounts(
            TrainingCounts().jobs | {row[0]: row[1] for row in jobs},
            {(kind, verdict): count for kind, verdict, count in models},
            connection.execute(select(func.max(MODELS.c.created_at))).scalar(),
            connection.execute(select(func.min(JOBS.c.created_at)).where(is_open)).scalar(),
        )
