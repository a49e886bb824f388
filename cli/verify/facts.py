"""The other buckets against their topics: macro vintages, filings, corporate actions. Few rows, so plain comparison."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from cli.verify.lake_bars import Stray
from cli.verify.lake_objects import LakeFiles, Listed, UnreadableError
from cli.verify.results import FactsResult
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.messages import Message
from shared.contracts.topics import CORPORATE_ACTIONS, FILINGS, MACRO
from shared.errors import PoisonMessageError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings

_ADDED: Final = ("ingested_at", "current")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of facts: where its objects lie, which column names the object, and where its messages are.

    Attributes:
        name: The bucket.
        group: Consumer group that fills it.
        message: Shape of a message.
        object_name: Pattern of an object's name; its first group is the key.
        key_column: Column that equals that key in every row.
        natural_key: Columns that say which fact a row is about.
        derived: Lake columns that are not the message's: the known time by rule.
        stated: Lake column -> column of the message that it holds.
    """

    name: str
    group: str
    message: type[Message]
    object_name: str
    key_column: str
    natural_key: tuple[str, ...]
    derived: tuple[str, ...]
    stated: Mapping[str, str]


BUCKETS: Final = (
    Bucket(
        "macro-data",
        "lake-macro",
        MacroVintage,
        r"([^/]+)/(\d{4})/\1_\2\.parquet",
        "series",
        ("series", "date"),
        ("known_at",),
        {},
    ),
    Bucket(
        "company-fundamentals",
        "lake-company",
        Filing,
        r"([^/]+)/(\d{4})\.parquet",
        "symbol",
        ("symbol", "period", "period_end"),
        ("known_at",),
        {},
    ),
    Bucket(
        "corporate-actions",
        "lake-actions",
        CorporateAction,
        r"([^/]+)\.parquet",
        "ticker",
        ("ticker", "action", "label", "ex_date"),
        ("known_at",),
        {"stated_at": "known_at"},
    ),
)


def topic_of(bucket: Bucket, kafka: KafkaSettings) -> str:
    """Return the topic that the bucket is filled from."""
    names = {MacroVintage: kafka.topic_macro or MACRO.name, Filing: FILINGS.name}
    return names.get(bucket.message, CORPORATE_ACTIONS.name)


def compare_facts(lake: LakeFiles, kafka: KafkaSettings | None, bucket: Bucket) -> FactsResult:
    """Return what holds and what does not of one bucket."""
    committed = {} if kafka is None else _committed(kafka, bucket)
    strays: list[Stray] = []
    objects, rows, versions, currents = 0, 0, Counter[str](), Counter[str]()
    for listed in lake.objects(bucket.name):
        objects += 1
        for row in _rows(lake, listed, bucket, strays):
            rows += 1
            versions[_version_of_row(row, bucket)] += 1
            currents[_canonical({name: row.get(name) for name in bucket.natural_key})] += bool(row.get("current"))
    twice = versions.total() - len(versions) + sum(count != 1 for count in currents.values())
    if kafka is None:
        return FactsResult(bucket.name, objects, rows, None, 0, twice, 0, tuple(strays))
    due, later = _messages(kafka, bucket, committed)
    there = set(versions)
    return FactsResult(
        bucket.name, objects, rows, len(due), len(due - there), twice, len(there - due - later), tuple(strays)
    )


def _committed(kafka: KafkaSettings, bucket: Bucket) -> dict[int, int]:
    stored = KafkaAdmin(kafka, "tickerstream-verify").committed(bucket.group, [topic_of(bucket, kafka)])
    return {partition: offset for (_, partition), offset in stored.items()}


def _rows(lake: LakeFiles, listed: Listed, bucket: Bucket, strays: list[Stray]) -> Iterator[dict[str, Any]]:
    name = re.fullmatch(bucket.object_name, listed.name)
    if name is None:
        strays.append(Stray(f"{bucket.name}/{listed.name}", "its name is not one of this bucket"))
        return
    try:
        found = lake.table(listed).to_pylist()
    except UnreadableError as error:
        strays.append(Stray(f"{bucket.name}/{listed.name}", f"not a whole Parquet file: {error}"))
        return
    astray = sum(row.get(bucket.key_column) != name[1] for row in found)
    if astray or not found:
        reason = f"{astray} rows are of another {bucket.key_column}" if found else "it has no rows"
        strays.append(Stray(f"{bucket.name}/{listed.name}", reason))
    yield from (row for row in found if row.get(bucket.key_column) == name[1])


def _messages(kafka: KafkaSettings, bucket: Bucket, committed: Mapping[int, int]) -> tuple[set[str], set[str]]:
    """Return the versions in acknowledged records, and in later ones. Bad messages are the dead letters' affair."""
    due, later = set[str](), set[str]()
    for record in read_topic(kafka, topic_of(bucket, kafka)):
        try:
            message = bucket.message.decode(record.value)
        except PoisonMessageError:
            continue
        acknowledged = record.position.offset < committed.get(record.position.partition, 0)
        (due if acknowledged else later).add(_canonical(message.model_dump()))
    return due, later


def _version_of_row(row: dict[str, Any], bucket: Bucket) -> str:
    fields = {name: value for name, value in row.items() if name not in (*_ADDED, *bucket.derived, *bucket.stated)}
    return _canonical(fields | {ours: row.get(theirs) for theirs, ours in bucket.stated.items()})


def _canonical(fields: Mapping[str, Any]) -> str:
    """Return the fields as one text: sorted, without nulls, numbers alike whatever their type."""
    return json.dumps({name: _text(value) for name, value in sorted(fields.items()) if value is not None})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(float(value) + 0.0)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
