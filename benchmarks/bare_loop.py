"""The least that any pipeline has to do: pyarrow and confluent-kafka, over the same bytes, with the same fsync.

One process reads CSV files and sends a ticker-week a message; another one reads the messages and writes a Parquet file
each, synced. No validation, no versions, no duplicates, no offsets, no recovery: the ceiling to be compared with.
"""

import io
import multiprocessing
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.inputs import CsvSet

PARTITIONS = 6


def weeks_of(path: Path, timezone: str) -> Iterator[pa.Table]:
    """Yield the file's bars a week at a time; the file is sorted."""
    table = pacsv.read_csv(path)
    stamp = pc.cast(table.column(0), pa.timestamp("us"))
    stamp = pc.assume_timezone(stamp, timezone) if stamp.type.tz is None else stamp
    stamp = pc.cast(stamp, pa.timestamp("us", tz="UTC"))
    table = table.set_column(0, "timestamp", stamp)
    week = pc.floor_temporal(stamp, unit="week").combine_chunks()
    ends = [*(pc.indices_nonzero(pc.not_equal(week[1:], week[:-1])).to_pylist()), table.num_rows - 1]
    start = 0
    for end in ends:
        yield table.slice(start, end + 1 - start)
        start = end + 1


def publish(bootstrap: str, topic: str, bars: CsvSet) -> None:
    """Send every ticker-week as an Arrow stream."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all"}
    producer = Producer({**settings, "compression.type": "zstd", "message.max.bytes": 4 << 20})
    for path in bars.files():
        for table in weeks_of(path, bars.timezone):
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
                writer.write_table(table)
            producer.produce(topic, sink.getvalue(), key=path.name.split(".")[0].encode())
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("not everything was delivered")


def land(bootstrap: str, topic: str, folder: Path, rows: int) -> None:
    """Write each message to a Parquet file of its own, synced, until `rows` have come."""
    settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False, "fetch.max.bytes": 64 << 20})
    consumer.subscribe([topic])
    number = 0
    while rows > 0:
        for message in consumer.consume(50, 0.2):
            if message.error():
                raise RuntimeError(str(message.error()))
            with pa.ipc.open_stream(message.value()) as reader:
                table = reader.read_all()
            sink = io.BytesIO()
            pq.write_table(table, sink, compression="zstd")
            with (folder / f"{number}.parquet").open("wb") as file:
                file.write(sink.getvalue())
                file.flush()
                os.fsync(file.fileno())
            number += 1
            rows -= table.num_rows
    consumer.commit(asynchronous=False)
    consumer.close()


def run(bootstrap: str, folder: Path, bars: CsvSet, rows: int) -> float:
    """Return the seconds from the first byte read to the last file synced."""
    topic = f"bare-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    settings = {"max.message.bytes": str(4 << 20)}
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=settings)])[topic].result(30)
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=publish, args=(bootstrap, topic, bars)),
        context.Process(target=land, args=(bootstrap, topic, folder, rows)),
    ]
    begin = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the bare loop failed: exit {process.exitcode}")
    return time.perf_counter() - begin
