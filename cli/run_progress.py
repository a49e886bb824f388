"""How far the services are with a run: features that are made of it, models that are trained on them."""

from dataclasses import asdict, dataclass
from typing import Any

from cli.output import Output
from cli.training_view import show_training, training_document
from shared.errors import TickerstreamError
from shared.settings import PostgresSettings
from shared.storage.job_progress import JobsView, RunProgress, TickerProgress
from shared.storage.postgres import open_engine, transaction
from shared.storage.runs_store import Run, RunsStore

NEWEST_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Downstream:
    """What PostgreSQL tells of a run.

    Attributes:
        run: How the aggregator stands with it; None where it has not heard of it.
        training: The jobs that came of it; None where there are none.
        tickers: Each ticker's jobs.
        unknown: Why nothing could be read.
    """

    run: Run | None = None
    training: RunProgress | None = None
    tickers: tuple[TickerProgress, ...] = ()
    unknown: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        training = training_document(self.training, list(self.tickers)) if self.training else None
        return {"features": asdict(self.run) if self.run else None, "training": training}

    def show(self, output: Output) -> None:
        """Write it for people."""
        if self.unknown:
            output.line(f"features and models: unknown, {self.unknown}", style="yellow")
            return
        if self.run:
            done = sum(self.run.topics.values())
            finished = f" at {self.run.finished_at:%Y-%m-%d %H:%M:%S} UTC" if self.run.finished_at else ""
            what = f"features: {self.run.state}{finished}, {done} of {len(self.run.topics)} topics read"
            output.line(f"{what}{f': {self.run.reason}' if self.run.reason else ''}")
        if self.training:
            show_training(output, self.training, list(self.tickers), all_tickers=self.run is not None)


def downstream(postgres: PostgresSettings, run_id: str) -> Downstream:
    """Return what the services made of a run; where PostgreSQL cannot tell, why not."""
    try:
        with open_engine(postgres) as engine:
            with transaction(engine) as connection:
                run = RunsStore().get(connection, run_id)
            view = JobsView(engine)
            training = next((one for one in view.runs(NEWEST_RUNS) if one.run_id == run_id), None)
            tickers = tuple(view.progress_of(run_id)) if training else ()
        return Downstream(run, training, tickers)
    except TickerstreamError as error:
        return Downstream(unknown=str(error))


def newest_training(postgres: PostgresSettings) -> Downstream:
    """Return the newest run of training; nothing where there is none."""
    try:
        with open_engine(postgres) as engine:
            view = JobsView(engine)
            training = next(iter(view.runs(1)), None)
            tickers = tuple(view.progress_of(training.run_id)) if training else ()
        return Downstream(None, training, tickers)
    except TickerstreamError as error:
        return Downstream(unknown=str(error))
