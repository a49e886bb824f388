"""The contracts as a page for people and as JSON for the golden test: `python -m shared.contracts.reference`."""

import json
import sys
from typing import Any

from shared.contracts import facts, predictions, rows, runs, training
from shared.contracts.bars import BAR_SCHEMA
from shared.contracts.lake import DATASETS, SOURCE_RANK, Dataset
from shared.contracts.messages import Message
from shared.contracts.topics import TOPICS, TopicContract

MESSAGES: tuple[type[Message], ...] = (
    facts.MacroVintage,
    facts.Filing,
    facts.CorporateAction,
    runs.RunDeclared,
    runs.TopicConfirmed,
    runs.RunAborted,
    training.StartModel,
    rows.FeatureRow,
    training.ModelEvent,
    predictions.Prediction,
)


def _topic(topic: TopicContract) -> dict[str, Any]:
    return {
        "key": topic.key,
        "value": topic.value,
        "schema": topic.schema,
        "partitions": "KAFKA_PARTITIONS" if topic.sharded else topic.partitions,
        "retention_ms": topic.retention_ms,
        "cleanup": topic.cleanup,
        "max_message_bytes": topic.max_message_bytes,
        "made_by": topic.made_by,
        "read_by": topic.read_by,
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    columns = {name: str(kind) for name, kind in dataset.lake_columns.items()}
    return {"natural_key": list(dataset.natural_key), "columns": columns, "open_columns": dataset.open_columns}


def as_json() -> str:
    """Return every contract as JSON, sorted: what the golden file holds."""
    everything = {
        "topics": {t.name: _topic(t) for t in TOPICS},
        "bars": {field.name: str(field.type) for field in BAR_SCHEMA},
        "messages": {m.__name__: m.model_json_schema() for m in MESSAGES},
        "lake": {d.bucket: _dataset(d) for d in DATASETS},
        "source_rank": SOURCE_RANK,
    }
    return json.dumps(everything, indent=2, sort_keys=True, default=str) + "\n"


def _retention(topic: TopicContract) -> str:
    return "without limit" if topic.retention_ms < 0 else f"{topic.retention_ms // 3_600_000} h"


def as_markdown() -> str:
    """Return the page docs/contracts.md."""
    lines = [
        "# Contracts",
        "",
        "Made by `python -m shared.contracts.reference` from `shared/contracts`; a test holds them equal.",
        "Times are aware UTC, microseconds. Any producer may write to these topics; a record with a key",
        "lies on the partition that Java's client gives it (librdkafka: `partitioner=murmur2_random`), else it is a",
        "dead letter of class `wrong_partition`.",
        "",
        "## Topics",
        "",
        "| topic | key | value | schema | partitions | kept | cleanup | largest | made by | read by |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in TOPICS:
        partitions = "`KAFKA_PARTITIONS`" if t.sharded else str(t.partitions)
        kept, largest = _retention(t), f"{t.max_message_bytes // 1024} KiB"
        lines.append(
            f"| `{t.name}` | {t.key} | {t.value} | `{t.schema}` | {partitions} | {kept} | {t.cleanup} | {largest} "
            f"| {t.made_by} | {t.read_by} |"
        )
    lines += ["", "## Bars (Arrow, in Kafka and in the lake)", "", "| column | type |", "| --- | --- |"]
    lines += [f"| `{field.name}` | {field.type} |" for field in BAR_SCHEMA]
    lines += ["", "## JSON messages"]
    for message in MESSAGES:
        schema = message.model_json_schema()
        required = set(schema.get("required", ()))
        lines += ["", f"### {message.__name__}", "", (message.__doc__ or "").split("\n\n")[0].strip(), ""]
        lines += ["| field | required |", "| --- | --- |"]
        lines += [f"| `{name}` | {'yes' if name in required else 'no'} |" for name in schema["properties"]]
    lines += ["", "## Lake"]
    for dataset in DATASETS:
        lines += ["", f"### {dataset.bucket}", "", f"Natural key: {', '.join(f'`{c}`' for c in dataset.natural_key)}."]
        if dataset.open_columns:
            lines += ["Further columns come as the source names them."]
        lines += ["", "| column | type |", "| --- | --- |"]
        lines += [f"| `{name}` | {kind} |" for name, kind in dataset.lake_columns.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_json() if "--json" in sys.argv else as_markdown())
