"""What the dead letters account for: records of the topics, as a whole or some of their rows."""

from collections.abc import Collection
from dataclasses import dataclass, field

from cli.dead_letters import read_letters
from shared.ports import Position
from shared.settings import KafkaSettings


@dataclass
class Refusals:
    """Dead letters by the record that they came from.

    Attributes:
        whole: Records that were refused as a whole.
        rows: How many rows of a record were refused.
    """

    whole: set[Position] = field(default_factory=set)
    rows: dict[Position, int] = field(default_factory=dict)


def read_refusals(kafka: KafkaSettings, topics: Collection[str]) -> Refusals:
    """Return what was refused of the records of `topics`."""
    found = Refusals()
    for item in read_letters(kafka):
        letter = item.letter
        if letter.topic not in topics:
            continue
        position = Position(letter.topic, letter.partition, letter.offset)
        if letter.rows:
            found.rows[position] = found.rows.get(position, 0) + letter.rows
        else:
            found.whole.add(position)
    return found
