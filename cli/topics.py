"""`tickerstream topics`: what the topics hold, and one of them decoded, as it grows."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cli.app import HomeOption, JsonOption, new_group
from cli.decoding import as_document, as_line
from cli.output import Output
from cli.settings import connect
from cli.tables import Column, number
from shared.contracts.topics import with_macro_named
from shared.errors import ConfigurationError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.follow import follow_topic
from shared.kafka.scan import read_topic
from shared.ports import Record
from shared.settings import KafkaSettings

EXAMPLES = """
**Examples**

- `tickerstream topics tail h_alpaca -n 3` shows the last three weeks of bars that were published.
- `tickerstream topics tail stock_bars -f` shows live bars as they come.
- `tickerstream topics tail runs --json` writes every field for a program.
"""


def register(app: typer.Typer) -> None:
    """Add the group `topics` to `app`."""
    group = new_group("Look into the topics.")
    group.command("list")(list_topics)
    group.command("tail", epilog=EXAMPLES)(tail)
    app.add_typer(group, name="topics")


def list_topics(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the topics: partitions, records, what they hold, who writes and who reads."""
    output, kafka = Output.of(as_json), connect(home).kafka
    admin = KafkaAdmin(kafka, "tickerstream-topics")
    there = admin.topics()
    contracts = {contract.name: contract for contract in with_macro_named(kafka.topic_macro)}
    documents: list[dict[str, Any]] = []
    for name in sorted({*there, *contracts}, key=lambda n: (n not in contracts, n)):
        contract = contracts.get(name)
        begin, end = (admin.begin_offsets(name), admin.end_offsets(name)) if name in there else ({}, {})
        documents.append(
            {
                "topic": name,
                "partitions": there.get(name),
                "records": sum(end[p] - begin[p] for p in end) if name in there else None,
                "end_offsets": end,
                "schema": contract.schema if contract else None,
                "key": contract.key if contract else None,
                "made_by": contract.made_by if contract else None,
                "read_by": contract.read_by if contract else None,
            }
        )
    if as_json:
        output.document(documents)
        return
    columns = [Column("topic", style="bold"), number("partitions"), number("records"), Column("schema")]
    keys = ("topic", "partitions", "records", "schema", "key", "made_by", "read_by")
    columns += [Column("key", spare=3), Column("made by", spare=1, wraps=True), Column("read by", spare=2, wraps=True)]
    output.table(columns, [[doc[key] for key in keys] for doc in documents])


def tail(
    topic: Annotated[str, typer.Argument(help="A topic, as `tickerstream topics list` names it.")],
    home: HomeOption = None,
    count: Annotated[int, typer.Option("-n", "--records", help="How many of the last records.", min=0)] = 10,
    going_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    key: Annotated[str | None, typer.Option(help="Only records with this key, such as a ticker.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last records of a topic, decoded: time, partition@offset, key, content."""
    output, kafka = Output.of(as_json), connect(home).kafka
    admin = KafkaAdmin(kafka, "tickerstream-topics")
    if topic not in (there := admin.topics()):
        raise ConfigurationError(f"There is no topic {topic}; there are: {', '.join(sorted(there))}.")
    ends = admin.end_offsets(topic)
    for record in _last(kafka, topic, ends, count, key):
        _show(output, record)
    if not going_on:
        return
    try:
        for following in follow_topic(kafka, topic, ends, lambda: False):
            if following is not None and _has_key(following, key):
                _show(output, following)
    except KeyboardInterrupt:
        return


def _last(kafka: KafkaSettings, topic: str, ends: dict[int, int], count: int, key: str | None) -> Iterable[Record]:
    """Return the last `count` records by time; with a key the whole topic is looked through."""
    if not count:
        return []
    start = None if key is not None else {p: max(0, end - count) for p, end in ends.items()}
    found: list[Record] = []
    for record in read_topic(kafka, topic, start=start, end=ends):
        if _has_key(record, key):
            found.append(record)
        if len(found) > 20 * count:
            found = _newest(found, count)
    return _newest(found, count)


def _newest(records: list[Record], count: int) -> list[Record]:
    return sorted(records, key=lambda r: (r.timestamp, r.position.partition, r.position.offset))[-count:]


def _has_key(record: Record, key: str | None) -> bool:
    return key is None or record.key == key.encode()


def _show(output: Output, record: Record) -> None:
    if output.json:
        output.document(as_document(record))
    else:
        output.line(as_line(record))
