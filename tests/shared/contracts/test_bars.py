"""What makes a bar valid, by an independent check in plain Python; and its way over the wire and back."""

import io
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.bars import BAR_COLUMNS, MAX_ROWS_A_MESSAGE, decode_bars, encode_bars, split_valid
from shared.errors import PoisonMessageError

START = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
ANCIENT, DISTANT = datetime(1899, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
NUMBERS = st.sampled_from([1.0, 2.0, 3.0, 0.0, -1.0, math.nan, math.inf, -math.inf])
FINE: dict[str, Any] = {
    "ticker": "AAPL", "timestamp": START, "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 0.0,
    "trade_count": None, "vwap": None, "known_at": START + timedelta(minutes=1), "known_basis": "nominal",
    "source": "files", "feed": None, "adjusted": False, "simulated": False,
}  # fmt: skip
# What may be put into a bar instead: most of it is wrong.
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "ticker": st.sampled_from(["SIM.A", "BRK.B", "../x", "", "a/b", "lower", None]),
    "timestamp": st.sampled_from(
        [START + timedelta(seconds=1), START + timedelta(microseconds=1), ANCIENT, DISTANT, None]
    ),
    **{name: st.none() | NUMBERS for name in ("open", "high", "low", "close", "volume", "vwap")},
    "known_at": st.none() | st.integers(-5, 5).map(lambda n: START + timedelta(minutes=1, milliseconds=500 * n)),
    "known_basis": st.sampled_from(["observed", "nominal", "guess", None]),
    "source": st.sampled_from(["alpaca", None]),
    "adjusted": st.sampled_from([True, None]),
    "simulated": st.sampled_from([True, None]),
}


@st.composite
def maybe_broken_bars(draw: st.DrawFn) -> dict[str, Any]:
    changed = draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=3))
    return FINE | {name: draw(CHANGES[name]) for name in changed}


def prices_are_valid(bar: dict[str, Any]) -> bool:
    prices = [bar[name] for name in ("open", "high", "low", "close")]
    numbers = [*prices, bar["volume"], *([] if bar["vwap"] is None else [bar["vwap"]])]
    if not all(math.isfinite(number) for number in numbers) or min(prices) <= 0 or bar["volume"] < 0:
        return False
    return max(prices) == bar["high"] and min(prices) == bar["low"]


def known_time_is_valid(bar: dict[str, Any]) -> bool:
    after_close = bar["known_at"] - bar["timestamp"] - timedelta(minutes=1)
    if bar["known_basis"] == "nominal":
        return after_close == timedelta(0)
    return bar["known_basis"] == "observed" and after_close >= timedelta(seconds=-1)


def is_valid(bar: dict[str, Any]) -> bool:
    if any(bar[name] is None for name in bar if name not in ("trade_count", "vwap", "feed")):
        return False
    return (
        re.fullmatch(r"[A-Z0-9][A-Za-z0-9._=-]{0,31}", bar["ticker"]) is not None
        and bar["ticker"].startswith("SIM.") == bar["simulated"]
        and bar["timestamp"].year >= 1900
        and bar["known_at"] <= datetime(2200, 1, 1, tzinfo=UTC)
        and bar["timestamp"].second == bar["timestamp"].microsecond == 0
        and prices_are_valid(bar)
        and known_time_is_valid(bar)
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(maybe_broken_bars(), max_size=6))
def test_split_valid_agrees_with_plain_python_and_keeps_order(bars: list[dict[str, Any]]) -> None:
    numbered = [bar | {"trade_count": n} for n, bar in enumerate(bars)]

    valid, refused = split_valid(pl.DataFrame(numbered, schema=BAR_COLUMNS))

    assert valid["trade_count"].to_list() == [bar["trade_count"] for bar in numbered if is_valid(bar)]
    assert refused["trade_count"].to_list() == [bar["trade_count"] for bar in numbered if not is_valid(bar)]
    assert refused["reason"].null_count() == 0
    assert refused.columns == [*BAR_COLUMNS, "reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"high": 1.5}, "high is below open, close or low"),
        ({"low": 2.5}, "low is above open or close"),
        ({"volume": -1.0}, "volume is negative"),
        ({"close": None}, "close is missing"),
        ({"open": math.nan}, "open is not finite"),
        ({"vwap": math.inf}, "vwap is not finite"),
        ({"known_at": START + timedelta(minutes=2)}, "known_at of a nominal bar is not its close"),
        ({"known_at": START, "known_basis": "observed"}, "known_at is before the bar's close"),
        ({"timestamp": DISTANT, "known_at": DISTANT + timedelta(minutes=1)}, "timestamp is not between 1900 and 2200"),
        ({"simulated": True}, "the SIM. prefix and the simulated flag disagree"),
    ],
)
def test_split_valid_faulty_bar_names_the_fault(change: dict[str, Any], reason: str) -> None:
    _, refused = split_valid(pl.DataFrame([FINE | change], schema=BAR_COLUMNS))

    assert refused["reason"].to_list() == [reason]


def test_decode_encoded_bars_come_back_bit_by_bit() -> None:
    bars = pl.DataFrame([FINE | {"close": 0.1 + 0.2 + n, "trade_count": n} for n in range(3)], schema=BAR_COLUMNS)

    assert decode_bars(encode_bars(bars)).equals(bars)


def test_decode_other_producers_arrow_types_and_missing_nullable_columns_are_taken() -> None:
    bars = pl.DataFrame([FINE], schema=BAR_COLUMNS)
    table = bars.drop("vwap", "feed").with_columns(mood=pl.lit("good")).to_arrow()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)

    assert decode_bars(sink.getvalue()).equals(bars)


@pytest.mark.parametrize("value", [None, b"", b"garbage", b"\xff" * 100, b"ARROW1\x00\x00"])
def test_decode_garbage_is_poison(value: bytes | None) -> None:
    with pytest.raises(PoisonMessageError):
        decode_bars(value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_decode_damaged_stream_is_poison_or_bars_never_anything_else(data: st.DataObject) -> None:
    intact = encode_bars(pl.DataFrame([FINE], schema=BAR_COLUMNS))
    at = data.draw(st.integers(0, len(intact) - 1))
    damaged = intact[:at] + data.draw(st.binary(max_size=4)) + intact[at + data.draw(st.integers(0, 4)) :]

    try:
        assert decode_bars(damaged).columns == list(BAR_COLUMNS)
    except PoisonMessageError as error:
        assert "\n" not in error.reason


def test_decode_too_many_rows_is_poison() -> None:
    bars = pl.concat([pl.DataFrame([FINE], schema=BAR_COLUMNS)] * (MAX_ROWS_A_MESSAGE + 1))

    with pytest.raises(PoisonMessageError, match="more than"):
        decode_bars(encode_bars(bars))
