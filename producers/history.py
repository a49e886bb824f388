"""Publishing history: a run of units, resumed where it stopped, confirmed when every delivery is."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from producers.cursor import Cursor
from producers.delivery import Delivery, StoppedError
from producers.inflight import UnitInFlight
from producers.publishing import Publisher
from producers.reporting import Progress, Reporter
from producers.runs import RunHistory, RunPlan, confirmed, declared
from producers.source import Advanced, Note, Reached, Refused, Source, Unit
from producers.summary import summary_of, text_of
from producers.tally import Tally
from shared.errors import TransientError
from shared.runtime.failpoints import failpoint
from shared.runtime.service import CRASHED, STOPPED, Runtime


@dataclass(frozen=True, slots=True)
class Job:
    """What publishing one run needs.

    Attributes:
        runtime: Clock, stop flag, heartbeat.
        source: What is read.
        plan: The run.
        own: Whether this producer declares the run itself; else its caller has.
        topics: Names of the topics that this producer confirms; the first one counts refused rows.
        cursor: What is finished.
        history: What the `runs` topic tells of the run.
        publisher: Turns items into records.
        delivery: Sends them.
        reporter: Who listens.
    """

    runtime: Runtime
    source: Source
    plan: RunPlan
    own: bool
    topics: tuple[str, ...]
    cursor: Cursor
    history: RunHistory
    publisher: Publisher
    delivery: Delivery
    reporter: Reporter


def publish_history(job: Job, again: bool) -> int:
    """Publish what of the run is not confirmed yet; return the exit code.

    0: all is published (refused rows are counted and kept as dead letters), or the process was asked to stop.
    1: whole files could not be read; all else is published.

    Raises:
        TransientError: the source or Kafka did not answer; started again, the run goes on.
    """
    done = None if again else _done(job)
    if done is None:
        return HistoryRun(job, afresh=again).run()
    _confirm_again(job, done)
    return _report(job, done, already_done=True)


def _done(job: Job) -> Tally | None:
    """Return the counts of a run that is confirmed already; None where it is not."""
    if job.cursor.confirmed:
        return job.cursor.total()
    told = not (job.cursor.void or job.cursor.begun) and all(topic in job.history.confirmed for topic in job.topics)
    return job.history.tally(job.topics) if told else None


def _confirm_again(job: Job, done: Tally) -> None:
    """Confirm to a caller that has declared another attempt of a run that is confirmed: it waits for an answer."""
    if job.own:
        return
    for topic in job.topics:
        before = job.history.confirmed.get(topic)
        if before is None or before.attempt < job.history.attempt:
            record = confirmed(job.plan, topic, job.history.attempt, done.topic(topic), job.runtime.clock)
            job.delivery.send(record)
    job.delivery.flush()


class HistoryRun:
    """One attempt of a run.

    Args:
        job: What it needs.
        afresh: Whether finished units are published again.
    """

    def __init__(self, job: Job, *, afresh: bool) -> None:
        self._job = job
        self._afresh = afresh
        self._started = job.runtime.clock.monotonic()
        self._rows = 0
        self._weight = 0
        self._weight_of_unit = 0
        self._total = 1
        self._next_beat = self._started

    def run(self) -> int:
        """Publish, confirm, report; return the exit code."""
        job = self._job
        units = job.source.units()
        resumed = job.cursor.begun and not self._afresh
        self._total = max(1, sum(unit.weight for unit in units))
        try:
            attempt = self._begin()
            if not self._publish(units):
                return self._stopped()
            job.delivery.flush()
            job.cursor.save()
            failpoint(f"{job.runtime.name}.before_confirm")
            self._confirm(attempt)
        except StoppedError:
            return self._stopped()
        except TransientError:
            self._keep()
            raise
        seconds = job.runtime.clock.monotonic() - self._started
        return _report(job, job.cursor.total(), seconds=seconds, rows=self._rows, resumed=resumed)

    def _begin(self) -> int:
        """Declare the attempt where that is ours to do; return its number."""
        job = self._job
        attempt = max(1, job.history.attempt)
        if job.own:
            attempt = max(job.history.attempt, job.cursor.attempt) + 1
            job.delivery.send(declared(job.plan, attempt, job.runtime.clock))
            job.delivery.flush()  # the aggregator learns of the run before its first bar
        job.cursor.begin(attempt, afresh=self._afresh)
        return attempt

    def _publish(self, units: Sequence[Unit]) -> bool:
        """Publish the units that are not finished; return False when asked to stop."""
        for unit in units:
            self._weight_of_unit = 0
            if unit.id not in self._job.cursor and not self._publish_unit(unit):
                return False
            self._weight += unit.weight
        return True

    def _publish_unit(self, unit: Unit) -> bool:
        job = self._job
        flight = UnitInFlight(unit, self._finished)
        before = 0
        for item in job.source.read(unit):
            if job.runtime.stopping():
                return False
            if isinstance(item, Note):
                job.reporter.line("note", item.origin, item.text)
            elif isinstance(item, Advanced):
                self._weight_of_unit = min(unit.weight, self._weight_of_unit + item.weight)
            elif not isinstance(item, Reached):  # live sources tell it
                if isinstance(item, Refused) and item.rows == 0:
                    flight.tally.problems.append(f"{item.origin}: {item.reason}")
                    job.reporter.line("problem", item.origin, item.reason)
                job.publisher.publish(item, flight)
            self._rows += flight.tally.rows - before
            before = flight.tally.rows
            self._show(unit.id)
        flight.end()
        return True

    def _finished(self, flight: UnitInFlight) -> None:
        if self._job.cursor.finish(flight.unit.id, flight.tally):
            failpoint(f"{self._job.runtime.name}.after_cursor")

    def _confirm(self, attempt: int) -> None:
        job = self._job
        total = job.cursor.total()
        for topic in job.topics:
            job.delivery.send(confirmed(job.plan, topic, attempt, total.topic(topic), job.runtime.clock))
        job.delivery.flush()
        job.cursor.confirm()

    def _show(self, detail: str) -> None:
        job = self._job
        job.reporter.progress(Progress(self._weight + self._weight_of_unit, self._total, self._rows, detail))
        now = job.runtime.clock.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + 1.0
            job.runtime.heartbeat.beat("running", detail, {"rows": self._rows})

    def _stopped(self) -> int:
        """Say how to go on."""
        job = self._job
        self._keep()
        text = f"stopped: run {job.plan.run_id} goes on where it stands when it is started again"
        job.reporter.end("stopped", {"run_id": job.plan.run_id, "rows": self._rows}, text)
        return STOPPED

    def _keep(self) -> None:
        """Keep what is confirmed; what is not is sent again by the next start."""
        with suppress(TransientError, StoppedError):
            self._job.delivery.settle()
        self._job.cursor.save()


def _report(
    job: Job, tally: Tally, *, seconds: float = 0.0, rows: int = 0, resumed: bool = False, already_done: bool = False
) -> int:
    """Tell how the run ended; return the exit code. `seconds` and `rows` are those of this attempt alone."""
    summary = summary_of(job.plan, job.runtime.name, job.topics[0], tally) | {
        "seconds": round(seconds, 3),
        "rows_a_second": round(rows / seconds) if seconds else 0,
        "resumed": resumed,
        "already_done": already_done,
        "problems": tally.problems,
    }
    if already_done:
        for problem in tally.problems:
            job.reporter.line("problem", job.source.name, problem)
    job.reporter.end("done", summary, text_of(summary))
    return CRASHED if tally.problems else STOPPED
