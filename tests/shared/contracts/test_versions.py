"""Merging is a set union: laws on random versions of every dataset, and an independent reckoning of what it derives."""

import hashlib
import random
import struct
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.bars import BAR_COLUMNS, INSTANT
from shared.contracts.lake import FUNDAMENTALS, MACRO, SOURCE_RANK, STOCK, Dataset
from shared.contracts.versions import strongest_last, union_versions
from shared.errors import ContractError
from tests.shared.contracts.facts_of_datasets import FACTS, NAMES, START, Row, bars, one_row_frame

EACH_DATASET = pytest.mark.parametrize(("dataset", "facts"), FACTS, ids=NAMES)


def union_of_rows(dataset: Dataset, rows: list[Row]) -> pl.DataFrame:
    return union_versions(dataset, *(one_row_frame(dataset, row) for row in rows))


def same(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    return left.schema == right.schema and left.columns == right.columns and left.equals(right)


@EACH_DATASET
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_union_any_order_split_and_repetition_gives_the_same_frame(
    dataset: Dataset, facts: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(facts, min_size=1, max_size=8))
    expected = union_of_rows(dataset, rows)

    arrivals = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=4))))
    stored = None
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        batch, arrivals = arrivals[:size], arrivals[size:]
        frames = [one_row_frame(dataset, row) for row in batch]
        stored = union_versions(dataset, *frames, *([] if stored is None else [stored]))

    assert stored is not None
    assert same(stored, expected)
    assert same(union_versions(dataset, stored), stored)
    assert same(union_versions(dataset, stored, stored), stored)


@EACH_DATASET
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_union_two_writers_interleaved_give_the_same_frame(
    dataset: Dataset, facts: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    left = data.draw(st.lists(facts, min_size=1, max_size=6))
    right = data.draw(st.lists(facts, min_size=1, max_size=6))

    first, second = union_of_rows(dataset, left), union_of_rows(dataset, right)

    assert same(union_versions(dataset, first, second), union_versions(dataset, second, first))
    assert same(union_versions(dataset, first, second), union_of_rows(dataset, left + right))


@EACH_DATASET
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_strongest_version_of_a_fact_is_the_current_one_of_the_union(
    dataset: Dataset, facts: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    stored = union_of_rows(dataset, data.draw(st.lists(facts, min_size=1, max_size=8)))
    shuffled = stored.sample(fraction=1, shuffle=True, seed=data.draw(st.integers(0, 9)))
    ordered = strongest_last(dataset, shuffled)
    assert ordered.columns == stored.columns
    assert ordered.drop("current").equals(strongest_last(dataset, shuffled.drop("current")))
    winners = ordered.unique(dataset.natural_key, keep="last", maintain_order=True)
    assert winners["current"].all()
    assert winners.height == int(stored["current"].sum())


def canonical(value: Any) -> bytes:
    """The bytes that a value counts as, reckoned apart from the code under test."""
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, datetime):
        value = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    elif isinstance(value, date):
        value = (value - date(1970, 1, 1)).days
    if isinstance(value, int):
        return b"i" + struct.pack("<q", value)
    return b"s" + struct.pack("<q", len(value.encode())) + value.encode()


def digest(dataset: Dataset, version: Row) -> bytes:
    """The content hash of a version whose stated known time is under its own name."""
    hashed = hashlib.blake2b(digest_size=16)
    named = {(".stated" if name == dataset.stated_known else name): value for name, value in version.items()}
    for name in sorted(named):
        if named[name] is not None:
            hashed.update(struct.pack("<q", len(name.encode())) + name.encode() + canonical(named[name]))
    return hashed.digest()


def reckon(dataset: Dataset, rows: list[Row]) -> list[tuple[Any, ...]]:
    """The versions as (content, known_at, ingested_at, current), by plain loops over dictionaries."""
    least: dict[tuple[tuple[str, Any], ...], datetime] = {}
    for row in rows:
        content = tuple(sorted((name, value) for name, value in row.items() if name != "ingested_at"))
        least[content] = min(row["ingested_at"], least.get(content, row["ingested_at"]))
    slots = defaultdict(list)
    for content, ingested in least.items():
        version = dict(content)
        if version[dataset.basis] not in dataset.observed:
            key = tuple(version[k] for k in dataset.natural_key)
            slots[key, version["source"], version[dataset.stated_known]].append(
                (ingested, digest(dataset, version), content)
            )
    keepers = {min(rivals)[2] for rivals in slots.values()}
    facts = defaultdict(list)
    for content, ingested in least.items():
        version = dict(content)
        known = version[dataset.stated_known]
        if version[dataset.basis] not in dataset.observed and content not in keepers:
            known = max(known, ingested)
        order = (known, SOURCE_RANK.get(version["source"], 20), digest(dataset, version))
        facts[tuple(version[k] for k in dataset.natural_key)].append((order, content, known, ingested))
    reckoned = []
    for versions in facts.values():
        winner = max(versions)
        reckoned += [(v[1], v[2], v[3], v is winner) for v in versions]
    return reckoned


def in_utc(row: Row) -> Row:
    """The row with Python's own UTC in its times."""
    return {name: v.astimezone(UTC) if isinstance(v, datetime) else v for name, v in row.items()}


@pytest.mark.parametrize(
    ("dataset", "facts"), [f for f in FACTS if not f[0].open_columns], ids=lambda v: getattr(v, "bucket", "")
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_union_known_at_and_current_agree_with_plain_loops(
    dataset: Dataset, facts: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(facts, min_size=1, max_size=10))
    plain = [
        {name: 0.0 if value == 0.0 and isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    ]

    united = union_of_rows(dataset, rows)

    found = []
    for row in map(in_utc, united.iter_rows(named=True)):
        stated = row[dataset.stated] if dataset.stated else row["known_at"]
        if dataset is STOCK and row["known_basis"] == "nominal":
            stated = row["timestamp"] + timedelta(minutes=1)
        message = {name: row[name] for name in dataset.columns} | {dataset.stated_known: stated}
        found.append((tuple(sorted(message.items())), row["known_at"], row["ingested_at"], row["current"]))
    assert sorted(map(repr, found)) == sorted(map(repr, reckon(dataset, plain)))


@EACH_DATASET
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_union_rows_are_sorted_and_one_is_current(
    dataset: Dataset, facts: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    united = union_of_rows(dataset, data.draw(st.lists(facts, min_size=1, max_size=10)))
    key = list(dataset.natural_key)

    assert (
        united.select(*key, "known_at", "source").rows()
        == united.select(*key, "known_at", "source").sort(pl.all()).rows()
    )
    assert united.group_by(key).agg(pl.col("current").sum())["current"].to_list() == [1] * united.n_unique(key)
    assert [c for c in united.columns if c in dataset.lake_columns] == list(dataset.lake_columns)


def nominal_bar(close: float, ingested: datetime, source: str = "files") -> pl.DataFrame:
    bar = {
        "ticker": "AAPL", "timestamp": START, "open": 1.0, "high": 9.0, "low": 1.0, "close": close, "volume": 5.0,
        "trade_count": None, "vwap": None, "known_at": START + timedelta(minutes=1), "known_basis": "nominal",
        "source": source, "feed": None, "adjusted": False, "simulated": False, "ingested_at": ingested,
    }  # fmt: skip
    return pl.DataFrame([bar], schema={**BAR_COLUMNS, "ingested_at": INSTANT})


FIRST, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def test_union_corrected_nominal_bar_is_known_from_its_first_ingestion() -> None:
    united = union_versions(STOCK, nominal_bar(2.0, FIRST), nominal_bar(3.0, LATER))

    assert united.select("close", "known_at", "current").rows() == [
        (2.0, START + timedelta(minutes=1), False),
        (3.0, LATER, True),
    ]


def test_union_stored_correction_meets_itself_again_from_kafka_and_stays_one() -> None:
    stored = union_versions(STOCK, nominal_bar(2.0, FIRST), nominal_bar(3.0, LATER))

    again = union_versions(STOCK, nominal_bar(3.0, LATER + timedelta(days=1)), stored)

    assert same(again, stored)


def test_union_same_known_time_of_two_sources_the_higher_rank_is_current() -> None:
    united = union_versions(STOCK, nominal_bar(2.0, FIRST, "alpaca"), nominal_bar(3.0, LATER, "files"))

    assert united.filter(pl.col("current"))["source"].to_list() == ["alpaca"]
    assert united["known_at"].to_list() == [START + timedelta(minutes=1)] * 2


def test_union_revised_macro_value_by_calendar_keeps_its_stated_time_beside_known_at() -> None:
    released = datetime(2024, 11, 1, tzinfo=UTC)
    row: Row = {
        "series": "UNRATE", "date": date(2024, 10, 1), "value": 4.1, "released_at": released,
        "released_basis": "calendar", "vintage": None, "latest_vintage": True, "source": "files", "simulated": False,
    }  # fmt: skip
    old = one_row_frame(MACRO, row | {"ingested_at": FIRST})
    new = one_row_frame(MACRO, row | {"value": 4.2, "ingested_at": LATER})

    united = union_versions(MACRO, new, old)

    assert united.select("value", "released_at", "known_at", "current").rows() == [
        (4.1, released, released, False),
        (4.2, released, LATER, True),
    ]


def filing(ingested: datetime, **statement: float | str | bool | None) -> pl.DataFrame:
    row = {
        "symbol": "AAPL", "period": "FY", "period_end": date(2024, 9, 30), "calendarYear": 2024,
        "filed_at": FIRST, "filed_basis": "accepted", "source": "files", "simulated": False,
    }  # fmt: skip
    return one_row_frame(FUNDAMENTALS, {**row, **statement, "ingested_at": ingested})


def test_union_open_columns_take_the_type_that_holds_every_value() -> None:
    numbers = filing(FIRST, eps=0.1, audited=True, link="x", gone=None)
    mixed = filing(LATER, eps="n/a", audited=False, revenue=1e20)

    united = union_versions(FUNDAMENTALS, numbers, mixed)

    kinds = {name: united.schema[name] for name in ("audited", "eps", "gone", "link", "revenue")}
    assert kinds == {
        "audited": pl.Boolean, "eps": pl.String, "gone": pl.Float64, "link": pl.String, "revenue": pl.Float64,
    }  # fmt: skip
    assert set(united["eps"]) == {"0.1", "n/a"}
    assert united.columns[8:13] == ["audited", "eps", "gone", "link", "revenue"]


def test_union_minus_zero_is_zero() -> None:
    plus, minus = filing(FIRST, eps=0.0), filing(LATER, eps=-0.0)

    united = union_versions(FUNDAMENTALS, minus, plus)

    assert united.height == 1
    assert str(united["eps"][0]) == "0.0"


def test_union_floats_that_differ_in_the_last_bit_are_two_versions() -> None:
    assert union_versions(FUNDAMENTALS, filing(FIRST, eps=0.3), filing(FIRST, eps=0.1 + 0.2)).height == 2


def test_union_nan_is_refused() -> None:
    with pytest.raises(ContractError, match="NaN"):
        union_versions(FUNDAMENTALS, filing(FIRST, eps=float("nan")))


def test_union_unknown_column_of_a_closed_dataset_is_refused() -> None:
    with pytest.raises(ContractError, match="newer version"):
        union_versions(STOCK, nominal_bar(2.0, FIRST).with_columns(mood=pl.lit("good")))


def test_union_missing_required_column_is_refused() -> None:
    with pytest.raises(ContractError, match="ingested_at"):
        union_versions(STOCK, nominal_bar(2.0, FIRST).drop("ingested_at"))


def test_union_column_of_another_type_is_refused() -> None:
    with pytest.raises(ContractError, match="another type"):
        union_versions(STOCK, nominal_bar(2.0, FIRST).with_columns(close=pl.lit("much")))


def test_union_nothing_is_an_empty_frame_with_the_lakes_columns() -> None:
    assert dict(union_versions(STOCK).schema) == STOCK.lake_columns


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(bars(), min_size=2, max_size=12), seed=st.integers())
def test_union_one_frame_of_many_rows_equals_rows_one_by_one(rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    frame = pl.DataFrame(shuffled, schema={**BAR_COLUMNS, "ingested_at": INSTANT})

    assert same(union_versions(STOCK, frame), union_of_rows(STOCK, rows))
