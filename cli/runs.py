"""`tickerstream runs`: which backfills there were, how far they are, and giving one up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from cli.app import HomeOption, JsonOption, new_group
from cli.output import Output
from cli.run_progress import downstream
from cli.settings import connect
from cli.tables import Column, number
from shared.clock import SystemClock
from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed, decode_run_event
from shared.contracts.topics import RUNS
from shared.errors import ConfigurationError, PoisonMessageError
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing, Record
from shared.settings import KafkaSettings

State = Literal["open", "complete", "aborted"]
SEND_SECONDS = 30.0


@dataclass
class Run:
    """What the topic tells of one run: its last declaration, the newest confirmation of each topic, its end."""

    run_id: str
    declared: RunDeclared | None = None
    first_at: datetime | None = None
    confirmed: dict[str, TopicConfirmed] = field(default_factory=dict)
    aborted: RunAborted | None = None

    @property
    def state(self) -> State:
        """Return open, complete (every declared topic is confirmed) or aborted."""
        if self.declared and all(topic in self.confirmed for topic in self.declared.topics):
            return "complete"
        return "aborted" if self.aborted else "open"

    @property
    def rows(self) -> int:
        """Return the confirmed rows of all topics."""
        return sum(part.rows for event in self.confirmed.values() for part in event.partitions)

    def document(self) -> dict[str, Any]:
        """Return the run for programs."""
        declared = self.declared
        return {
            "run_id": self.run_id,
            "state": self.state,
            "source": declared.source if declared else None,
            "simulated": declared.simulated if declared else None,
            "attempts": declared.attempt if declared else None,
            "begun": self.first_at,
            "topics": {name: event.model_dump(mode="json") for name, event in sorted(self.confirmed.items())},
            "waiting_for": [t for t in declared.topics if t not in self.confirmed] if declared else [],
            "rows": self.rows,
            "settings": declared.settings if declared else {},
            "aborted": self.aborted.reason if self.aborted else None,
        }


def register(app: typer.Typer) -> None:
    """Add the group `runs` to `app`."""
    group = new_group("Backfills: what was declared, what is confirmed.")
    group.command("list")(list_runs)
    group.command("show")(show)
    group.command("abort")(abort)
    app.add_typer(group, name="runs")


def list_runs(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the runs, oldest first."""
    output, runs = Output.of(as_json), read_runs(connect(home).kafka)
    if as_json:
        output.document([run.document() for run in runs])
        return
    if not runs:
        output.line("no runs yet; `tickerstream demo` or `tickerstream backfill` makes one", style="yellow")
        return
    titles = (
        Column("state"),
        Column("source"),
        number("attempts", spare=1),
        Column("begun", spare=2),
        Column("topics", wraps=True),
        number("rows"),
    )
    output.table([Column("run", style="bold"), *titles], [_row(run) for run in runs])


def show(
    run_id: Annotated[str, typer.Argument(help="A run, as `tickerstream runs list` names it.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: what it was to publish, what of each topic is confirmed and read, and how far training is."""
    output, system = Output.of(as_json), connect(home)
    run = one_run(system.kafka, run_id)
    further = downstream(system.postgres, run.run_id)
    if as_json:
        output.document({**run.document(), **further.document()})
        return
    output.line(f"{run.run_id}: {run.state}", style="bold")
    for name, value in (run.declared.settings if run.declared else {}).items():
        output.line(f"  {name}: {value}", style="dim")
    if run.aborted:
        output.line(f"given up at {run.aborted.at:%Y-%m-%d %H:%M:%S} UTC: {run.aborted.reason}", style="yellow")
    titles = (
        number("records"),
        number("rows"),
        number("rejected"),
        number("duplicates"),
        Column("next offsets", wraps=True),
    )
    output.table([Column("topic", style="bold"), *titles], [_topic_row(event) for event in run.confirmed.values()])
    for topic in run.document()["waiting_for"]:
        output.line(f"{topic}: not confirmed yet")
    further.show(output)


def abort(
    run_id: Annotated[str, typer.Argument(help="A run that is open.")],
    home: HomeOption = None,
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")] = "given up by hand",
    as_json: JsonOption = False,
) -> None:
    """Give a run up, so that nothing waits for it any more. What it has published stays."""
    output, kafka = Output.of(as_json), connect(home).kafka
    run = one_run(kafka, run_id)
    if run.state != "open":
        raise ConfigurationError(f"The run {run_id} is {run.state}; only an open run can be given up.")
    event = RunAborted(run_id=run_id, reason=reason, at=SystemClock().now())
    with KafkaWriter(kafka, "tickerstream-runs") as writer:
        writer.send(Outgoing(RUNS.name, run_id.encode(), event.encode(), {"schema": RUNS.schema.encode()}))
        writer.flush(SEND_SECONDS)
    output.line(f"{run_id}: given up")
    output.document(event.model_dump(mode="json"))


def read_runs(kafka: KafkaSettings) -> list[Run]:
    """Return all runs, in the order of their first declaration."""
    return fold(read_topic(kafka, RUNS.name))


def fold(records: Iterable[Record]) -> list[Run]:
    """Return the runs that records of the topic tell of. A declaration after an abort opens the run again."""
    runs: dict[str, Run] = {}
    for record in records:
        try:
            event = decode_run_event(record.value)
        except PoisonMessageError:
            continue  # the reader of the topic that acts on it makes the dead letter
        run = runs.setdefault(event.run_id, Run(event.run_id))
        match event:
            case RunDeclared():
                run.declared, run.aborted = event, None
                run.first_at = run.first_at or event.at
            case TopicConfirmed():
                run.confirmed[event.topic] = event
            case RunAborted():
                run.aborted = event
    return list(runs.values())


def one_run(kafka: KafkaSettings, run_id: str) -> Run:
    """Return a run by its id, or by a beginning of it that only one has.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    runs = read_runs(kafka)
    exact = [run for run in runs if run.run_id == run_id]
    found = exact or [run for run in runs if run.run_id.startswith(run_id)]
    if len(found) == 1:
        return found[0]
    what = "no run" if not found else f"{len(found)} runs beginning with"
    raise ConfigurationError(f"There is {what} {run_id}; see `tickerstream runs list`.")


def _row(run: Run) -> list[str | int | float | None]:
    declared = run.declared
    topics = f"{len(run.confirmed)} of {len(declared.topics)}" if declared else str(len(run.confirmed))
    begun = f"{run.first_at:%Y-%m-%d %H:%M:%S}" if run.first_at else None
    attempts = declared.attempt if declared else None
    return [run.run_id, run.state, declared.source if declared else None, attempts, begun, topics, run.rows]


def _topic_row(event: TopicConfirmed) -> list[str | int | float | None]:
    records = sum(part.records for part in event.partitions)
    rows = sum(part.rows for part in event.partitions)
    offsets = " ".join(f"{part.partition}:{part.next_offset}" for part in event.partitions)
    return [event.topic, records, rows, event.rejected, event.duplicates, offsets]
