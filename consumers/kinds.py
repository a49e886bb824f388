"""The four consumers: which topics each reads, into which dataset."""

from dataclasses import dataclass
from typing import Final

from consumers.bars import decode_bar_record
from consumers.decoded import Decoder
from consumers.facts import decode_action_record, decode_filing_record, decode_vintage_record
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, STOCK, Dataset
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS
from shared.settings import KafkaSettings

NAMES: Final = ("stock", "actions", "macro", "company")


@dataclass(frozen=True, slots=True)
class Kind:
    """What one consumer lands.

    Attributes:
        dataset: Where.
        topics: What it reads.
        group: Its consumer group.
        decode: How a record becomes rows.
        live_topics: Topics whose rows wait up to LAKE_FLUSH_SECONDS to be written together, however quiet it is.
    """

    dataset: Dataset
    topics: tuple[str, ...]
    group: str
    decode: Decoder
    live_topics: frozenset[str] = frozenset()


def kind_of(name: str, kafka: KafkaSettings) -> Kind:
    """Return the consumer called `name` (one of NAMES)."""
    group = f"lake-{name}"
    kinds = {
        "stock": Kind(
            STOCK, (BARS_HISTORY.name, BARS_LIVE.name), group, decode_bar_record, frozenset({BARS_LIVE.name})
        ),
        "actions": Kind(ACTIONS, (CORPORATE_ACTIONS.name,), group, decode_action_record),
        "macro": Kind(MACRO, (kafka.topic_macro,), group, decode_vintage_record),
        "company": Kind(FUNDAMENTALS, (FILINGS.name,), group, decode_filing_record),
    }
    return kinds[name]
