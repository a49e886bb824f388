"""What a backfill publishes: which producers read which source, and the one run that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Final

from producers.arguments import Arguments, Producer
from producers.offer import only, refuse_unused
from producers.runs import RunPlan, declared, history_of, plan_run
from producers.source import Source
from producers.sources import OFFERS, offer_of
from shared.clock import SystemClock
from shared.contracts.topics import RUNS
from shared.errors import ConfigurationError
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings

SEND_SECONDS: Final = 30.0
# How each argument is written on the producers' command line; what is not here is no option of history.
_OPTIONS: Final[Mapping[str, str]] = {
    name: f"--{name}"
    for name in ("bars", "macro", "fundamentals", "timezone", "ticker", "seed", "sessions", "start", "end", "speed")
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person asks to be published.

    Attributes:
        source: files, simulated, alpaca or fred; None = files where a path is given, else simulated.
        bars: Source files of bars; macro and fundamentals likewise.
        timezone: Zone of times that have none.
        adjusted: Whether the prices of the files are already adjusted.
        tickers: Only these; of the simulated exchange: one number, how many.
        series: Only these macro series.
        start: First New York date of bars, of the simulated history, or of FRED's observations.
        end: Last New York date of them; FRED: that it knew.
        sessions: Sessions of the simulated exchange.
        seed: What its world follows from.
        again: Publish again what is confirmed.
    """

    source: str | None = None
    bars: Path | None = None
    macro: Path | None = None
    fundamentals: Path | None = None
    timezone: str | None = None
    adjusted: bool = False
    tickers: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    sessions: int | None = None
    seed: int | None = None
    again: bool = False

    @property
    def of_files(self) -> bool:
        """Return whether any files are named."""
        return any(path is not None for path in (self.bars, self.macro, self.fundamentals))

    @property
    def origin(self) -> str:
        """Return the source that is meant."""
        return self.source or ("files" if self.of_files else "simulated")

    def producers(self) -> list[Producer]:
        """Return the producers that have something to read, the one of bars first.

        Raises:
            ConfigurationError: the choice contradicts itself.
        """
        if self.of_files and self.origin != "files":
            raise ConfigurationError(
                f"--source {self.origin} reads no files; leave out --bars, --macro, --fundamentals."
            )
        if self.origin == "files":
            given: dict[Producer, Path | None] = {
                "stock": self.bars,
                "macro": self.macro,
                "company": self.fundamentals,
            }
            found: list[Producer] = [producer for producer, path in given.items() if path is not None]
            if not found:
                raise ConfigurationError("--source files needs --bars, --macro or --fundamentals PATH.")
            return found
        if self.origin == "fred":
            return ["macro"]
        return ["stock"] if self.origin == "alpaca" else ["stock", "macro", "company"]

    def arguments(self, producer: Producer) -> Arguments:
        """Return what one producer is asked for: of the options those that are for it.

        Raises:
            ConfigurationError: an option is for none of the producers.
        """
        asked = {one: self._everything(one) for one in self.producers()}
        refuse_unused(asked.values(), OFFERS)
        return only(asked[producer], OFFERS[producer][self.origin].takes)

    def _everything(self, producer: Producer) -> Arguments:
        return Arguments(
            producer=producer,
            source=self.origin,
            json=True,
            again=self.again,
            tickers=self.tickers,
            series=self.series,
            start=self.start,
            end=self.end,
            bars=_absolute(self.bars),
            macro=_absolute(self.macro),
            fundamentals=_absolute(self.fundamentals),
            timezone=self.timezone,
            adjusted=self.adjusted,
            seed=self.seed,
            sessions=self.sessions,
        )


@dataclass(frozen=True, slots=True)
class Backfill:
    """A run that is planned: the run record and what each producer is asked for."""

    run: RunPlan
    arguments: tuple[Arguments, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics that take part."""
        return self.run.topics


def plan(choice: Choice, kafka: KafkaSettings) -> Backfill:
    """Return the run of a choice. Its id follows from what is read, so that the same choice resumes the same run.

    Raises:
        ConfigurationError: a source cannot be read (no such folder, no key), or the choice contradicts itself.
    """
    sources: dict[str, Source] = {}
    topics: list[str] = []
    arguments = tuple(choice.arguments(producer) for producer in choice.producers())
    for one in arguments:
        offer = offer_of(one)
        source = offer.history(one, SystemClock())
        source.units()  # says now, in one line, what cannot be read
        sources[one.producer] = source
        topics += offer.named_topics(kafka)
    return Backfill(plan_run(sources, topics), arguments)


def declare(backfill: Backfill, kafka: KafkaSettings, *, again: bool) -> bool:
    """Declare the run unless it is complete already; return whether it was declared.

    Raises:
        TransientError: Kafka did not confirm it.
    """
    history = history_of(backfill.run.run_id, read_topic(kafka, RUNS.name))
    if not again and all(topic in history.confirmed for topic in backfill.topics):
        return False
    with KafkaWriter(kafka, "tickerstream-backfill") as writer:
        writer.send(declared(backfill.run, history.attempt + 1, SystemClock()))
        writer.flush(SEND_SECONDS)
    return True


def command_line(arguments: Arguments, run_id: str | None) -> Sequence[str]:
    """Return the arguments of `python -m producers` that say the same."""
    line = [arguments.producer, "--source", arguments.source]
    for field in fields(arguments):
        value = getattr(arguments, field.name)
        if field.name in _OPTIONS and value is not None:
            line += [_OPTIONS[field.name], str(value)]
    for name in ("tickers", "series"):
        if values := getattr(arguments, name):
            line += [f"--{name}", ",".join(values)]
    flags = ("json", "live", "again", "adjusted")
    line += [f"--{name}" for name in flags if getattr(arguments, name)]
    return [*line, *(["--run-id", run_id] if run_id else [])]


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()
