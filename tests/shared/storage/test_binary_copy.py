"""Frames as binary COPY streams: PostgreSQL itself says what they hold."""

import math
import struct
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from shared.contracts.bars import INSTANT
from shared.settings import PostgresSettings
from shared.storage.binary_copy import encode
from shared.storage.copying import copy_in, copy_out
from shared.storage.postgres import make_engine, transaction

VALUES = ("a", "b", "c")
COLUMNS = {"at": INSTANT, "big": pl.Int64(), "small": pl.Int32(), "wide": pl.Float64(), "flag": pl.Boolean()}
TABLE = """
    CREATE TEMP TABLE t (at timestamptz, big bigint, small int, wide float8, flag bool, name text, word text,
    a real, b real, c real) ON COMMIT DROP
"""
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.fixture(scope="module")
def engine(postgres: PostgresSettings) -> Iterator[Engine]:
    engine = make_engine(postgres)
    yield engine
    engine.dispose()


def row() -> st.SearchStrategy[dict[str, object]]:
    instants = st.integers(-(2**51), 2**52)
    return st.fixed_dictionaries(
        {
            "at": instants,
            "big": st.integers(-(2**63), 2**63 - 1),
            "small": st.integers(-(2**31), 2**31 - 1),
            "wide": st.floats(allow_nan=False),
            "flag": st.booleans(),
            "name": st.sampled_from(["A", "BRK.B", "SIM.ABC"]),
            "word": st.sampled_from(["", "ü", "regular", "extended"]),
            **dict.fromkeys(VALUES, st.none() | FLOATS),
        }
    )


def frame_of(rows: list[dict[str, object]]) -> pl.DataFrame:
    kinds = {**COLUMNS, "at": pl.Int64(), "name": pl.String(), "word": pl.String()}
    frame = pl.DataFrame(rows, schema={**kinds, **dict.fromkeys(VALUES, pl.Float32())})
    return frame.with_columns(pl.col("at").cast(INSTANT))


def bits(number: float | None) -> bytes | None:
    return None if number is None else struct.pack("<d", number)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row(), min_size=1, max_size=30))
def test_rows_come_back_as_they_went_by_the_servers_own_reading(engine: Engine, rows: list[dict[str, object]]) -> None:
    frame = frame_of(rows)
    with transaction(engine) as connection:
        connection.execute(text(TABLE))
        copy_in(connection, "t", frame, VALUES)
        query = "SELECT extract(epoch FROM at) * 1000000, big, small, wide, flag, name, word, a, b, c FROM t"
        read = connection.execute(text(query)).all()
        again = copy_out(connection, f"SELECT at, big, small, wide, flag, {_NULLS_AS_NAN} FROM t", {}, COLUMNS, VALUES)
    assert [tuple(one)[:3] + tuple(one)[4:7] for one in read] == frame.with_columns(pl.col("at").to_physical()).select(
        "at", "big", "small", "flag", "name", "word"
    ).rows()
    assert [bits(one.wide) for one in read] == [bits(number) for number in frame["wide"]]
    for name in VALUES:  # REAL comes as the shortest text of its value
        wanted = [None if number is None else np.float32(number) for number in frame[name]]
        found = [None if number is None else np.float32(number) for number in (getattr(one, name) for one in read)]
        assert [n if n is None else n.tobytes() for n in found] == [n if n is None else n.tobytes() for n in wanted]
    assert again.equals(frame.select(*COLUMNS, *VALUES))


_NULLS_AS_NAN = ", ".join(f"COALESCE({name}, 'NaN')" for name in VALUES)


def test_many_rows_come_in_order_and_complete(engine: Engine) -> None:
    frame = pl.DataFrame({"big": range(9_001)}, schema={"big": pl.Int64()}).select(
        at=pl.col("big").cast(INSTANT),
        big=pl.col("big"),
        small=pl.lit(1, pl.Int32),
        wide=pl.lit(math.pi),
        flag=pl.col("big") % 3 == 0,
        name=pl.lit("A").repeat_by(pl.col("big") % 5).list.join(""),
        word=pl.lit("w"),
        a=pl.lit(None, pl.Float32),
        b=(pl.col("big") % 100).cast(pl.Float32),
        c=pl.when(pl.col("big") % 2 == 0).then(pl.lit(1.5, pl.Float32)),
    )
    with transaction(engine) as connection:
        connection.execute(text(TABLE))
        copy_in(connection, "t", frame, VALUES)
        counts = connection.execute(
            text("SELECT count(*), sum(big), count(a), count(c), max(length(name)) FROM t")
        ).one()
    assert tuple(counts) == (9_001, sum(range(9_001)), 0, 4_501, 4)


def test_nothing_is_a_valid_stream(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text(TABLE))
        copy_in(connection, "t", frame_of([]), VALUES)
        read = copy_out(connection, f"SELECT at, big, small, wide, flag, {_NULLS_AS_NAN} FROM t", {}, COLUMNS, VALUES)
    assert read.height == 0
    assert read.schema == {**COLUMNS, **dict.fromkeys(VALUES, pl.Float32())}


def plainly(frame: pl.DataFrame) -> bytes:
    """Return the stream as the manual tells it, value by value."""
    stream = bytearray(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for one in frame.rows():
        stream += struct.pack(">h", len(one))
        for value, (name, kind) in zip(one, frame.schema.items(), strict=True):
            if value is None:
                stream += struct.pack(">i", -1)
                continue
            content = value.encode() if kind == pl.String else struct.pack(">q" if name == "big" else ">f", value)
            stream += struct.pack(">i", len(content)) + content
    return bytes(stream + b"\xff\xff")


def stretch() -> st.SearchStrategy[tuple[int, str, str, list[str | None]]]:
    """A stretch of rows of one name: how many, the words that take turns in it, what each value is."""
    patterns = st.lists(st.sampled_from(["there", "null", "mixed"]), min_size=3, max_size=3)
    counts = st.sampled_from([1, 249, 251, 700, 2_100])
    return st.tuples(
        counts, st.sampled_from(["A", "BRK.B", "SIM.Ü"]), st.sampled_from(["w", "wx", "w,", ","]), patterns
    )


@settings(max_examples=40)
@given(st.lists(stretch(), min_size=1, max_size=5))
def test_stream_is_what_the_manual_says_however_texts_and_nulls_change(
    stretches: list[tuple[int, str, str, list[str | None]]],
) -> None:
    parts = []
    for count, name, words, patterns in stretches:
        at = pl.int_range(count, eager=True)
        turns = words.split(",")
        number = at.cast(pl.Float32) + 0.5
        values = {
            value: {"there": number, "null": number.clear(count), "mixed": number.set(at % 3 == 0, None)}[str(pattern)]
            for value, pattern in zip(VALUES, patterns, strict=True)
        }
        texts = {"name": [name] * count, "word": [turns[i % len(turns)] for i in range(count)]}
        parts.append(pl.DataFrame({"big": at, **texts, **values}))
    frame = pl.concat(parts)
    assert b"".join(bytes(piece) for piece in encode(frame, VALUES)) == plainly(frame)
