"""From records to parts of objects: weeks, keys, refused rows, JSON facts."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.bars import decode_bar_record
from consumers.decoded import Decoder
from consumers.facts import (
    decode_action_record,
    decode_filing_record,
    decode_vintage_record,
)
from shared.contracts.bars import BAR_COLUMNS, decode_bars
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.contracts.fact_frames import frames_of_rows
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, Dataset
from shared.contracts.messages import Message
from shared.contracts.versions import union_versions
from shared.errors import PoisonMessageError
from tests.consumers.making import INGESTED, MINUTE, bar, bars, dividend, encoded, filing, record, vintage


def frame(content: Any) -> pl.DataFrame:
    assert isinstance(content, pl.DataFrame)
    return content


def test_decode_bars_of_one_week_are_one_part_stamped_with_kafkas_time() -> None:
    decoded = decode_bar_record(record("AAPL", encoded(bars())))

    assert [part.name for part in decoded.parts] == ["AAPL/2025/01/AAPL_2025-W02.parquet"]
    assert decoded.rows == 5
    assert frame(decoded.parts[0].content).drop("ingested_at").equals(decode_bars(encoded(bars())))
    assert set(frame(decoded.parts[0].content)["ingested_at"]) == {INGESTED}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=8))  # noqa: DTZ001
def test_decode_bars_of_any_weeks_each_lies_in_its_own_weeks_object(instants: list[datetime]) -> None:
    stamps = [instant.replace(second=0, microsecond=0, tzinfo=UTC) for instant in instants]
    rows = [bar(timestamp=stamp, known_at=stamp + MINUTE) for stamp in stamps]

    decoded = decode_bar_record(record("AAPL", encoded(rows)))

    found = {(part.name, stamp) for part in decoded.parts for stamp in frame(part.content)["timestamp"]}
    thursdays = {stamp: (stamp - timedelta(days=stamp.weekday() - 3)).date() for stamp in stamps}
    assert found == {(thursdays[stamp].strftime("AAPL/%Y/%m/AAPL_%G-W%V.parquet"), stamp) for stamp in stamps}
    assert len({part.name for part in decoded.parts}) == len(decoded.parts)


def test_decode_bad_rows_are_refused_by_reason_and_the_others_taken() -> None:
    rows = [*bars(), bar(minute=7, volume=-1.0), bar(minute=8, volume=-2.0), bar(minute=9, high=2.0)]

    decoded = decode_bar_record(record("AAPL", encoded(rows)))

    assert decoded.rows == 5
    assert [(r.rows, r.reason, r.error_class) for r in decoded.rejected] == [
        (2, "volume is negative", "bad_row"),
        (1, "high is below open, close or low", "bad_row"),
    ]
    assert decode_bars(decoded.rejected[0].value)["volume"].to_list() == [-1.0, -2.0]


def test_decode_refused_rows_tell_the_reason_in_a_column_too() -> None:
    decoded = decode_bar_record(record("AAPL", encoded([bar(volume=-1.0)])))

    with pa.ipc.open_stream(io.BytesIO(decoded.rejected[0].value)) as stream:
        assert stream.read_all().column("reason").to_pylist() == ["volume is negative"]


@pytest.mark.parametrize("key", ["MSFT", None, "", "aapl"])
def test_decode_bars_of_another_ticker_than_the_key_are_refused(key: str | None) -> None:
    decoded = decode_bar_record(record(key, encoded(bars())))

    assert (decoded.rows, decoded.parts) == (0, ())
    assert [(r.rows, r.reason, r.error_class) for r in decoded.rejected] == [
        (5, "key and ticker disagree", "wrong_key")
    ]


def test_decode_message_of_two_tickers_keeps_the_keys_own() -> None:
    decoded = decode_bar_record(record("AAPL", encoded(bars() + bars("MSFT", range(2)))))

    assert decoded.rows == 5
    assert [r.rows for r in decoded.rejected] == [2]


def test_decode_many_refused_rows_come_in_pieces_that_dead_letters_keep_whole() -> None:
    rows = [bar(minute=n, close=100.0 + n / 7, open=100.0 + n / 11, volume=-1.0 - n / 3) for n in range(9000)]

    decoded = decode_bar_record(record("AAPL", encoded(rows)))

    assert all(len(r.value) <= MAX_KEPT_BYTES for r in decoded.rejected)
    assert len({r.reason for r in decoded.rejected}) == len(decoded.rejected) > 1
    assert sum(r.rows for r in decoded.rejected) == 9000
    together = pl.concat([decode_bars(r.value) for r in decoded.rejected])
    assert together.equals(pl.DataFrame(rows, schema=BAR_COLUMNS))


def test_decode_garbage_is_poison() -> None:
    with pytest.raises(PoisonMessageError, match="Arrow"):
        decode_bar_record(record("AAPL", b"garbage"))


def test_decode_no_rows_is_nothing() -> None:
    decoded = decode_bar_record(record("AAPL", encoded([])))

    assert (decoded.parts, decoded.rows, decoded.rejected) == ((), 0, ())


FACTS: list[tuple[Decoder, dict[str, Any], str, str, Dataset]] = [
    (decode_vintage_record, vintage(), "GDPC1", "GDPC1/2024/GDPC1_2024.parquet", MACRO),
    (decode_filing_record, filing(), "AAPL", "AAPL/2024.parquet", FUNDAMENTALS),
    (decode_action_record, dividend(), "AAPL", "AAPL.parquet", ACTIONS),
]
EACH_FACT = pytest.mark.parametrize(
    ("decode", "fact", "key", "name", "dataset"), FACTS, ids=[dataset.bucket for *_, dataset in FACTS]
)


@EACH_FACT
def test_decode_fact_is_a_row_of_its_object(
    decode: Decoder, fact: dict[str, Any], key: str, name: str, dataset: Dataset
) -> None:
    decoded = decode(record(key, json.dumps(fact).encode()))

    assert [part.name for part in decoded.parts] == [name]
    row = decoded.parts[0].content
    assert not isinstance(row, pl.DataFrame)
    united = union_versions(dataset, *frames_of_rows(dataset, [row]))
    assert united.height == 1
    assert united["ingested_at"].to_list() == [INGESTED]
    found = united.row(0, named=True)
    assert {field: found[field] for field in fact if isinstance(found[field], str | float | bool)} == {
        field: value for field, value in fact.items() if isinstance(found[field], str | float | bool)
    }


@EACH_FACT
@pytest.mark.parametrize("wrong", ["OTHER", None])
def test_decode_fact_under_another_key_is_poison(
    decode: Decoder, fact: dict[str, Any], key: str, name: str, dataset: Dataset, wrong: str | None
) -> None:
    with pytest.raises(PoisonMessageError, match="disagree") as caught:
        decode(record(wrong, json.dumps(fact).encode()))
    assert caught.value.error_class == "wrong_key"


@pytest.mark.parametrize(
    ("decode", "value", "error_class"),
    [
        (decode_vintage_record, None, "empty_value"),
        (decode_vintage_record, b"\xff\xfe", "bad_json"),
        (decode_vintage_record, b"[1, 2", "bad_json"),
        (decode_vintage_record, b"[1, 2]", "bad_message"),
        (decode_vintage_record, json.dumps(vintage(date="2024-13-01")).encode(), "bad_message"),
        (decode_vintage_record, json.dumps(vintage(released_at="2025-01-30T13:30:00")).encode(), "bad_message"),
        (decode_vintage_record, json.dumps(vintage(released_at="9999-12-31T23:59:59-05:00")).encode(), "bad_message"),
        (decode_vintage_record, json.dumps(vintage(value=float("nan"))).encode(), "bad_message"),
        (decode_vintage_record, json.dumps(vintage(series="../etc")).encode(), "bad_message"),
        (decode_filing_record, json.dumps(filing(eps={"basic": 1})).encode(), "bad_message"),
        (decode_filing_record, json.dumps(filing(current=1.5)).encode(), "bad_message"),
        (decode_filing_record, json.dumps(filing(Known_At="now")).encode(), "bad_message"),
        (decode_filing_record, json.dumps(filing(filed_at="2024-09-28T06:00:00Z")).encode(), "bad_message"),
        (decode_action_record, json.dumps(dividend(amount=-1)).encode(), "bad_message"),
        (decode_action_record, json.dumps(dividend(action="merger")).encode(), "bad_message"),
    ],
)
def test_decode_broken_fact_is_poison_with_a_class(decode: Decoder, value: bytes | None, error_class: str) -> None:
    with pytest.raises(PoisonMessageError) as caught:
        decode(record("GDPC1", value))
    assert caught.value.error_class == error_class
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    ("model", "dataset"), [(MacroVintage, MACRO), (Filing, FUNDAMENTALS), (CorporateAction, ACTIONS)]
)
def test_every_field_of_a_message_has_its_column(model: type[Message], dataset: Dataset) -> None:
    assert list(model.model_fields) == list(dataset.columns)


def test_frames_of_filings_keep_the_sources_values() -> None:
    rows = [
        decode_filing_record(record("AAPL", json.dumps(filing(period=period, eps=eps)).encode())).parts[0].content
        for period, eps in (("FY", 6.11), ("Q1", "n/a"), ("Q2", None))
    ]

    frames = frames_of_rows(FUNDAMENTALS, [row for row in rows if not isinstance(row, pl.DataFrame)])

    united = union_versions(FUNDAMENTALS, *frames)
    assert dict(united.select("period", "eps").iter_rows()) == {"FY": "6.11", "Q1": "n/a", "Q2": None}
    assert united.schema["audited"] == pl.Boolean
    assert united["revenue"].to_list() == [391035000000.0] * 3
    assert united["period_end"].to_list() == [date(2024, 9, 28)] * 3


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "é" * 40]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@EACH_FACT
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_decode_odd_values_land_or_are_poison_never_anything_else(
    decode: Decoder, fact: dict[str, Any], key: str, name: str, dataset: Dataset, data: st.DataObject
) -> None:
    fields = st.sampled_from([*fact, "label", "vintage", "extra"])
    odd = fact | data.draw(st.dictionaries(fields, ODD, max_size=3))

    try:
        decoded = decode(record(key, json.dumps(odd).encode()))
    except PoisonMessageError:
        return

    row = decoded.parts[0].content
    assert not isinstance(row, pl.DataFrame)
    assert union_versions(dataset, *frames_of_rows(dataset, [row])).height == 1
