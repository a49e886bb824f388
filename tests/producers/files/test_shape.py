"""Headers that are known, and those that are refused."""

import pytest

from producers.files.shape import recognise
from shared.errors import PoisonMessageError


@pytest.mark.parametrize(
    ("header", "time", "time_of_day"),
    [
        ("timestamp,open,high,low,close,volume", 0, None),
        ("datetime,open,high,low,close,volume", 0, None),
        ("Date Time,Open,High,Low,Close,Volume", 0, None),
        ("date,ToD,open,high,low,close,volume", 0, 1),
        ("Date,Time,O,H,L,C,V", 0, 1),
        ("date,open,high,low,close,volume", 0, None),
        (",open,high,low,close,volume", 0, None),
        ("open,high,low,close,volume,average,date", 6, None),
        ("ticker,volume,open,close,high,low,window_start,transactions", 6, None),
        ('"timestamp","1. open","2. high","3. low","4. close","5. volume"', 0, None),
        ("\ufefftimestamp,open,high,low,close,volume", 0, None),
        ("date,time,timestamp,open,high,low,close,volume", 2, None),
    ],
)
def test_recognise_common_headers_finds_the_time(header: str, time: int, time_of_day: int | None) -> None:
    shape = recognise(header.split(","))
    assert (shape.time, shape.time_of_day) == (time, time_of_day)
    assert {"open", "high", "low", "close", "volume"} <= shape.fields.keys()


HEADER = "symbol,timestamp,open,high,low,close,volume,average,barCount,adj close,vwap_90"


def test_recognise_optional_columns_are_mapped_where_their_meaning_is_sure() -> None:
    shape = recognise(HEADER.split(","))
    assert shape.fields == {
        "ticker": 0, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6, "vwap": 7, "trade_count": 8,
    }  # fmt: skip
    assert shape.width == 11


@pytest.mark.parametrize(
    ("header", "error_class", "says"),
    [
        ("x,y,z", "wrong_header", "the time, open, high, low, close, volume"),
        ("timestamp,open,high,low,close", "wrong_header", "no column for volume"),
        ("open,high,low,close,volume", "wrong_header", "no column for the time"),
        ("2025-01-02 09:30:00,1,2,3,4,5", "wrong_header", "no column for"),
        ("timestamp,bid_open,bid_high,ask_open,ask_high,volume", "quotes", "quotes"),
        ("timestamp,bid,ask,bidsize,asksize", "quotes", "quotes"),
    ],
)
def test_recognise_other_headers_are_refused_in_one_line(header: str, error_class: str, says: str) -> None:
    with pytest.raises(PoisonMessageError, match=says) as refusal:
        recognise(header.split(","))
    assert refusal.value.error_class == error_class
    assert "\n" not in refusal.value.reason
