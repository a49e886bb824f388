"""What a source offers a producer, and which options it takes: none that was given is ever dropped without a word."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from producers.arguments import Arguments
from producers.source import LiveSource, Source
from shared.clock import Clock
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings

MACRO: Final = "macro"  # stands for the configured name of the macro topic
_ANY_SOURCE: Final = frozenset({"producer", "source", "json", "live", "again"})


@dataclass(frozen=True, slots=True)
class Live:
    """A live source that may go on where it was.

    Attributes:
        identity: What tells one stream from another.
        make: Makes the source, given how far it was delivered before.
        told: Whether the source tells itself how far it is; else it is the greatest known time.
    """

    identity: Mapping[str, Any]
    make: Callable[[datetime | None], LiveSource]
    told: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What one source offers one producer.

    Attributes:
        history: Makes the source of history.
        topics: The topics that take part in it.
        takes: The options (names of Arguments) that history heeds; any other is refused.
        live: Makes the source of live data; None = there is none.
        live_topics: The topics of live data.
        live_takes: The options that live data heed.
    """

    history: Callable[[Arguments, Clock], Source]
    topics: tuple[str, ...]
    takes: frozenset[str]
    live: Callable[[Arguments, Clock], Live] | None = None
    live_topics: tuple[str, ...] = ()
    live_takes: frozenset[str] = frozenset()

    def named_topics(self, kafka: KafkaSettings) -> tuple[str, ...]:
        """Return the topics of history by their configured names."""
        return tuple(kafka.topic_macro if name == MACRO else name for name in self.topics)

    def taken(self, *, live: bool) -> frozenset[str]:
        """Return the options that are heeded; only history is a run that a caller may have declared."""
        return self.live_takes if live else self.takes | {"run_id"}


Offers = Mapping[str, Mapping[str, Offer]]
"""Producer -> source -> what it offers."""


@contextmanager
def library_of(source: str) -> Iterator[None]:
    """Say what to install where a library of a source is not there, as in the image of the command.

    Raises:
        ConfigurationError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--source {source}: the package {error.name} is not installed here. Install tickerstream[producers], or "
            "use the image `producers`."
        ) from None


def given(arguments: Arguments) -> list[str]:
    """Return the options of sources that were given, in the order of Arguments."""
    defaults = {field.name: field.default for field in fields(arguments) if field.name not in _ANY_SOURCE}
    return [name for name, default in defaults.items() if getattr(arguments, name) != default]


def only(arguments: Arguments, taken: Collection[str]) -> Arguments:
    """Return the arguments without the options that are not in `taken`."""
    return replace(arguments, **{name: _default(name) for name in given(arguments) if name not in taken})


def refuse_unused(arguments: Iterable[Arguments], offers: Offers) -> None:
    """Let options pass that at least one of the producers heeds.

    Args:
        arguments: What is asked of each of the producers that work together, of one source.
        offers: What there is.

    Raises:
        ConfigurationError: one is of no use to any of them.
    """
    asked = list(arguments)
    taken = {name for one in asked for name in offers[one.producer][one.source].taken(live=one.live)}
    unused = [name for one in asked for name in given(one) if name not in taken]
    if unused:
        here = f"{', '.join(one.producer for one in asked)} from {asked[0].source}{' --live' * asked[0].live}"
        raise ConfigurationError(
            f"--{unused[0].replace('_', '-')}: of no use to {here}; leave it out. "
            f"It is for {', '.join(_users(unused[0], offers))}."
        )


def _users(name: str, offers: Offers) -> list[str]:
    """Return who heeds an option, as people write it."""
    found = []
    for producer, sources in offers.items():
        for source, offer in sources.items():
            in_live, in_history = name in offer.live_takes, name in offer.taken(live=False)
            if in_history or in_live:
                found.append(f"{producer} from {source}{'' if in_history else ' --live'}")
    return found


def _default(name: str) -> Any:
    return next(field.default for field in fields(Arguments) if field.name == name)
