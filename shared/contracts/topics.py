"""Every topic: key, schema, partitions, retention, cleanup and largest message. Provisioning makes them from this."""

from dataclasses import dataclass, replace
from typing import Final, Literal

Cleanup = Literal["delete", "compact"]
FOREVER: Final = -1
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TopicContract:
    """What may be relied on about one topic.

    Attributes:
        name: The topic.
        key: What the key is, UTF-8.
        value: What the value is.
        schema: `name/major.minor`, carried in each record's header `schema`.
        sharded: Whether it has KAFKA_PARTITIONS partitions (keyed by ticker) or the number in `partitions`.
        partitions: Partitions where it is not sharded.
        retention_ms: Milliseconds, FOREVER = without limit.
        cleanup: Kafka's cleanup.policy.
        max_message_bytes: Largest record.
        made_by: Who writes it. Any other producer may, too: the contract is public.
        read_by: Who reads it.
    """

    name: str
    key: str
    value: str
    schema: str
    made_by: str
    read_by: str
    sharded: bool = True
    partitions: int = 1
    retention_ms: int = FOREVER
    cleanup: Cleanup = "delete"
    max_message_bytes: int = MIB


BARS_HISTORY: Final = TopicContract(
    "h_alpaca",
    key="ticker",
    value="Arrow IPC stream (zstd): the 1-minute bars of one ticker and ISO week",
    schema="bars/1.0",
    made_by="producers stock",
    read_by="consumers stock, aggregator",
    max_message_bytes=4 * MIB,
)
BARS_LIVE: Final = TopicContract(
    "stock_bars",
    key="ticker",
    value="Arrow IPC stream: one or a few 1-minute bars",
    schema="bars/1.0",
    made_by="producers stock --live",
    read_by="consumers stock, aggregator",
    max_message_bytes=4 * MIB,
)
CORPORATE_ACTIONS: Final = TopicContract(
    "corporate_actions",
    key="ticker",
    value="JSON: one split or cash dividend",
    schema="corporate_action/1.0",
    made_by="producers stock",
    read_by="consumers actions, aggregator",
)
MACRO: Final = TopicContract(
    "h_macrodata",
    key="series",
    value="JSON: one vintage of one observation",
    schema="macro_vintage/1.0",
    made_by="producers macro",
    read_by="consumers macro, aggregator",
)
FILINGS: Final = TopicContract(
    "h_company",
    key="symbol",
    value="JSON: one filing, statement fields as the source names them",
    schema="filing/1.0",
    made_by="producers company",
    read_by="consumers company, aggregator",
)
RUNS: Final = TopicContract(
    "runs",
    key="run id",
    value="JSON: declared, confirmed or aborted",
    schema="run_event/1.0",
    made_by="producers, tickerstream",
    read_by="aggregator, predictor, producers, tickerstream",
    sharded=False,
)
START_MODEL: Final = TopicContract(
    "start_model",
    key="run id, or none",
    value="JSON: which models to train, every field optional",
    schema="start_model/1.0",
    made_by="aggregator, tickerstream train, predictor (POST /v1/training), a person",
    read_by="train",
    sharded=False,
)
FEATURES: Final = TopicContract(
    "features",
    key="ticker",
    value="JSON: the newest feature row",
    schema="feature_row/1.0",
    made_by="aggregator",
    read_by="predictor",
    cleanup="compact",
)
MODEL_EVENTS: Final = TopicContract(
    "model_events",
    key="ticker/kind",
    value="JSON: the model that serves",
    schema="model_event/1.0",
    made_by="train",
    read_by="predictor",
    sharded=False,
    cleanup="compact",
)
PREDICTIONS: Final = TopicContract(
    "predictions",
    key="ticker",
    value="JSON: one prediction, as served",
    schema="prediction/1.0",
    made_by="predictor",
    read_by="ledger, anyone",
)
DEAD_LETTERS: Final = TopicContract(
    "dead_letters",
    key="the original key",
    value="the original bytes, or their first 64 KiB",
    schema="dead_letter/1.0",
    made_by="every service",
    read_by="people: tickerstream dlq",
    sharded=False,
)

TOPICS: Final = (
    BARS_HISTORY,
    BARS_LIVE,
    CORPORATE_ACTIONS,
    MACRO,
    FILINGS,
    RUNS,
    START_MODEL,
    FEATURES,
    MODEL_EVENTS,
    PREDICTIONS,
    DEAD_LETTERS,
)


def with_macro_named(macro_topic: str) -> tuple[TopicContract, ...]:
    """Return all topics, the macro one by its configured name (TOPIC_MACRO)."""
    return tuple(replace(t, name=macro_topic) if t is MACRO else t for t in TOPICS)
