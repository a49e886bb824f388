"""The one table of what each identity may do in Kafka, PostgreSQL, the lake and the document store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.contracts.lake import DATASETS, STOCK
from shared.contracts.topics import (
    BARS_HISTORY,
    BARS_LIVE,
    CORPORATE_ACTIONS,
    DEAD_LETTERS,
    FEATURES,
    FILINGS,
    MACRO,
    MODEL_EVENTS,
    PREDICTIONS,
    RUNS,
    START_MODEL,
    TOPICS,
    TopicContract,
)

Server = Literal["kafka", "postgres", "lake", "mongo"]
LakeRight = Literal["read", "write"]
DocumentRole = Literal["read", "readWrite"]

ADMIN: Final = "admin"
"""The administrator, who is nobody's service: only provisioning logs in as it."""

FACTS: Final = (BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, MACRO, FILINGS)
LAKE_GROUPS: Final = ("lake-stock", "lake-actions", "lake-macro", "lake-company")
SCAN: Final = "tickerstream-scan"
FOLLOW: Final = "tickerstream-follow"
"""Names that clients without a group give, for Kafka's library wants one; nobody may join them or commit."""
CONSOLE: Final = "console-consumer-*"
"""What kafka-console-consumer calls its groups."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Rights in Kafka.

    Attributes:
        writes: Topics.
        reads: Topics.
        joins: Consumer groups that it is a member of; `*` at the end stands for any ending.
        looks: Groups that it may ask about.
    """

    writes: tuple[TopicContract, ...] = ()
    reads: tuple[TopicContract, ...] = ()
    joins: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rights on a table: to select from it, and what else is said here. Nobody may delete or truncate.

    Attributes:
        insert: Whether rows may be added (and the sequences of its columns used).
        update: Columns that may be changed.
    """

    insert: bool = False
    update: tuple[str, ...] = ()


READ: Final = Table()
APPEND: Final = Table(insert=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """A service's name in every server, and its rights there. What is not here is refused.

    Attributes:
        name: User of Kafka, role of PostgreSQL, access key and policy of the lake, user of the document store.
        topics: Rights in Kafka.
        tables: Rights in PostgreSQL.
        functions: What it may call in PostgreSQL; each runs with the rights of its owner.
        outbox: Topics of the rows in table `outbox` that it sees and adds: no service sends in another one's name.
        buckets: Rights in the lake. `write` is to read, list, add and replace, never to delete.
        documents: Built-in role in the document store's database.
    """

    name: str
    topics: Topics
    tables: Mapping[str, Table] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    outbox: tuple[TopicContract, ...] = ()
    buckets: Mapping[str, LakeRight] = field(default_factory=dict)
    documents: DocumentRole | None = None

    def is_in(self, server: Server) -> bool:
        """Return whether it has anything to do in a server."""
        rights = {"kafka": self.topics, "postgres": self.tables, "lake": self.buckets, "mongo": self.documents}
        return bool(rights[server])


_FACT_TABLE: Final = Table(insert=True, update=("ingested_at", "sequence"))
_OUTBOX: Final = Table(insert=True, update=("sent_at",))
_RELAYS: Final = ("forget_sent()",)

PRODUCERS: Final = Identity(
    "producers",
    Topics(writes=(*FACTS, RUNS, DEAD_LETTERS), reads=(RUNS,), looks=(SCAN,)),
    tables={"tickers": READ},
)
CONSUMERS: Final = Identity(
    "consumers",
    Topics(writes=(DEAD_LETTERS,), reads=(*FACTS, PREDICTIONS), joins=(*LAKE_GROUPS, "ledger-predictions")),
    # A prediction that was made earlier replaces one of the same id.
    tables={
        "predictions": Table(
            insert=True,
            update=(
                *("ticker", "timestamp", "as_of", "horizon_minutes", "close", "expected_return", "probability_up"),
                *("leads", "feature_set", "row_hash", "simulated", "replayed", "made_at", "document"),
            ),
        )
    },
    buckets={dataset.bucket: "write" for dataset in DATASETS},
)
AGGREGATOR: Final = Identity(
    "aggregator",
    Topics(
        writes=(FEATURES, START_MODEL, DEAD_LETTERS),
        reads=(*FACTS, RUNS),
        joins=("aggregator",),
        looks=("lake-stock", SCAN),
    ),
    tables={
        "feature_sets": READ,
        "tickers": READ,
        "aggregated_data": Table(insert=True, update=("superseded_at", "served")),
        "aggregation_batches": APPEND,
        "source_offsets": Table(insert=True, update=("epoch", "next_offset", "owner", "updated_at")),
        "remake_requests": Table(insert=True, update=("done_at", "batch_id")),
        "macro_vintages": _FACT_TABLE,
        "filings": _FACT_TABLE,
        "corporate_actions": _FACT_TABLE,
        "runs": Table(
            insert=True,
            update=("sequence", "run_set", "state", "attempt", "topics", "declared_at", "finished_at", "reason"),
        ),
        "run_topics": Table(
            insert=True,
            update=("topic_id", "attempt", "partitions", "rejected", "duplicates", "confirmed_at"),
        ),
        "run_tickers": APPEND,
        "outbox": _OUTBOX,
    },
    functions=_RELAYS,
    outbox=(START_MODEL,),
    buckets={STOCK.bucket: "read"},
)
TRAIN: Final = Identity(
    "train",
    Topics(writes=(MODEL_EVENTS, DEAD_LETTERS), reads=(START_MODEL,), joins=("train",)),
    tables={
        "feature_sets": READ,
        "aggregated_data": READ,
        "tickers": READ,
        "filings": READ,
        "training_runs": Table(insert=True, update=("settled_at",)),
        "training_jobs": Table(
            insert=True,
            update=(
                *("state", "stage", "progress", "attempt", "failures", "lease_until", "worker"),
                *("reason", "error", "model_id", "started_at", "finished_at"),
            ),
        ),
        "models": Table(insert=True, update=("verdict", "verdict_final")),
        "deployments": APPEND,
        "ticker_profiles": Table(insert=True, update=("run_id", "statistics", "created_at", "changed", "written")),
        "outbox": _OUTBOX,
    },
    functions=_RELAYS,
    outbox=(MODEL_EVENTS,),
    documents="readWrite",
)
PREDICTOR: Final = Identity(
    "predictor",
    Topics(writes=(PREDICTIONS, START_MODEL, DEAD_LETTERS), reads=(MODEL_EVENTS, FEATURES, RUNS), looks=(SCAN, FOLLOW)),
    tables=dict.fromkeys(
        ("predictions", "aggregated_data", "models", "deployments", "training_runs", "training_jobs"), READ
    ),
)
CLI: Final = Identity(
    "cli",
    # What services alone make (features, model events, predictions) people read and never write.
    Topics(
        writes=(*FACTS, RUNS, START_MODEL, DEAD_LETTERS),
        reads=TOPICS,
        joins=(CONSOLE,),
        looks=(*LAKE_GROUPS, "aggregator", "train", "ledger-predictions", SCAN, FOLLOW),
    ),
    tables={
        **dict.fromkeys(("runs", "run_topics", "source_offsets", "aggregated_data"), READ),
        **dict.fromkeys(("training_runs", "training_jobs", "models", "deployments"), READ),
        "tickers": Table(insert=True, update=("name", "active", "removed_at")),
        "feature_sets": Table(update=("state", "activated_at")),
        "remake_requests": APPEND,
    },
    buckets={dataset.bucket: "read" for dataset in DATASETS},
    documents="read",
)

IDENTITIES: Final = (PRODUCERS, CONSUMERS, AGGREGATOR, TRAIN, PREDICTOR, CLI)


def identities_in(server: Server) -> tuple[Identity, ...]:
    """Return the identities that have something to do in a server."""
    return tuple(identity for identity in IDENTITIES if identity.is_in(server))
