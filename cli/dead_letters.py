"""The dead letters as the command reads them, each once by its number; and sending them back to their topics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.contracts.dead_letters import TOPIC, DeadLetter
from shared.errors import ConfigurationError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing
from shared.settings import KafkaSettings

SEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Numbered:
    """A dead letter and its number: its offset in the topic of dead letters."""

    id: int
    letter: DeadLetter


@dataclass
class Group:
    """Dead letters that have error class, service and kind of origin in common."""

    error_class: str
    service: str
    origin: str
    letters: int = 0
    rows: int = 0
    first_id: int = 0
    last_id: int = 0
    reason: str = ""


def read_letters(kafka: KafkaSettings, error_class: str | None = None) -> Iterator[Numbered]:
    """Yield the dead letters, oldest first, each once: a service that crashed may have written one twice."""
    seen = set[int]()
    for record in read_topic(kafka, TOPIC):
        letter = DeadLetter.from_record(record.key, record.value, record.headers)
        same = hash((letter.topic, letter.partition, letter.offset, letter.rows, letter.reason, letter.value))
        if same not in seen and (error_class is None or letter.error_class == error_class):
            yield Numbered(record.position.offset, letter)
        seen.add(same)


def replay_refusal(letter: DeadLetter, topics: set[str] | None) -> str | None:
    """Return why a letter cannot be sent again, or None. `topics`: those that there are; None = not asked."""
    if letter.topic.startswith("files:"):
        return "it is a part of a file: mend the file and publish it again"
    if letter.partition < 0:
        return f"it came from {letter.topic or 'nowhere known'}, not from a topic: let its producer read it again"
    if not letter.whole:
        return f"only {len(letter.value):,} of its {letter.length:,} bytes are kept: let its producer send it again"
    if topics is not None and letter.topic not in topics:
        return f"the topic {letter.topic} does not exist any more"
    return None


def send_back(kafka: KafkaSettings, letters: list[Numbered]) -> tuple[list[Numbered], list[tuple[Numbered, str]]]:
    """Send letters to their topics; return those that were sent, durable, and the others with the reason.

    Raises:
        TransientError: Kafka did not confirm all in time.
    """
    topics = set(KafkaAdmin(kafka, "tickerstream-dlq").topics())
    sent: list[Numbered] = []
    kept: list[tuple[Numbered, str]] = []
    with KafkaWriter(kafka, "tickerstream-dlq") as writer:
        for item in letters:
            letter = item.letter
            if reason := replay_refusal(letter, topics):
                kept.append((item, reason))
                continue
            writer.send(Outgoing(letter.topic, letter.key, letter.value, dict(letter.headers or {})))
            sent.append(item)
        writer.flush(SEND_SECONDS)
    return sent, kept


def letter_of(kafka: KafkaSettings, wanted: int) -> Numbered:
    """Return the dead letter with that number.

    Raises:
        ConfigurationError: there is none.
    """
    ends = KafkaAdmin(kafka, "tickerstream-dlq").end_offsets(TOPIC)
    if wanted < ends[0]:
        for record in read_topic(kafka, TOPIC, start=wanted, end=wanted + 1):
            return Numbered(wanted, DeadLetter.from_record(record.key, record.value, record.headers))
    raise ConfigurationError(f"There is no dead letter {wanted}; see `tickerstream dlq list --each`.")


def grouped(letters: Iterable[Numbered]) -> list[Group]:
    """Return the groups of dead letters, the largest first."""
    groups: dict[tuple[str, str, str], Group] = {}
    for item in letters:
        letter = item.letter
        origin = letter.topic.partition(":")[0] if letter.partition < 0 else letter.topic
        key = (letter.error_class, letter.service, origin)
        group = groups.setdefault(key, Group(*key, first_id=item.id, reason=letter.reason))
        group.letters += 1
        group.rows += max(1, letter.rows)
        group.last_id = item.id
    return sorted(groups.values(), key=lambda group: -group.letters)
