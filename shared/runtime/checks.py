"""What is checked of every record before it is handled: its partition and the version of its schema."""

from typing import Final

from shared.contracts.topics import TOPICS
from shared.errors import ContractError, PoisonMessageError
from shared.kafka.partitioner import partition_of
from shared.ports import Record, RecordReader

KNOWN_MAJORS: Final = {
    name: int(version.partition(".")[0]) for name, _, version in (topic.schema.partition("/") for topic in TOPICS)
}
"""The major version of each schema that this release understands."""


def check_record(record: Record, reader: RecordReader) -> None:
    """Let a record pass that may be handled.

    A record without a key, or without the header `schema`, is for its handler to judge.

    Raises:
        PoisonMessageError: it is on another partition than its key belongs to, or its schema is no known one.
        ContractError: its schema is newer than this release.
    """
    check_schema(record)
    _check_partition(record, reader)


def check_schema(record: Record) -> None:
    """Let a record pass whose header `schema` this release understands; one without the header passes.

    Raises:
        PoisonMessageError: its schema is no known one.
        ContractError: it is newer than this release.
    """
    header = record.headers.get("schema")
    if header is None:
        return
    text = header.decode(errors="replace")
    name, _, version = text.partition("/")
    major = version.partition(".")[0]
    known = KNOWN_MAJORS.get(name)
    if known is None or not (major.isascii() and major.isdigit()):
        raise PoisonMessageError(f"header schema is '{text[:80]}', which is no known schema", "wrong_schema")
    if int(major) > known:
        at = record.position
        raise ContractError(
            f"topic {at.topic} partition {at.partition} offset {at.offset} has schema {text}, newer than "
            f"{name}/{known} of this release. Upgrade this service, then start it again."
        )
    if int(major) < known:
        raise PoisonMessageError(f"schema {text} is older than {name}/{known}, which is understood", "wrong_schema")


def _check_partition(record: Record, reader: RecordReader) -> None:
    if record.key is None:
        return
    topic, partition = record.position.topic, record.position.partition
    if partition_of(record.key, reader.partition_count(topic)) == partition:
        return
    count = reader.partition_count(topic, fresh=True)  # an empty topic may have been given more of them
    right = partition_of(record.key, count)
    if right != partition:
        raise PoisonMessageError(
            f"the key belongs to partition {right} of {count} (murmur2), but the record is on {partition}",
            "wrong_partition",
        )
