"""Which rows are looked up before others are added."""

from datetime import timedelta

import polars as pl
from sqlalchemy import Engine

from shared.storage.newest_rows import NewestRows, Spans
from shared.storage.postgres import transaction
from tests.shared.storage.feature_rows import MINUTE, MONDAY, NAMES, SET, append, provisioned, rows


def test_spans_of_scattered_rows_leave_out_what_lies_between() -> None:
    scattered = pl.concat([rows(minutes=range(300, 310)), rows(minutes=range(5)), rows("MSFT", range(2))])
    assert Spans.of(scattered) == Spans(
        ["AAPL", "AAPL", "MSFT"],
        [MONDAY, MONDAY + 300 * MINUTE, MONDAY],
        [MONDAY + 4 * MINUTE, MONDAY + 309 * MINUTE, MONDAY + MINUTE],
    )


def test_rows_in_spans_are_those_of_each_and_no_other(engine: Engine) -> None:
    provisioned(engine)
    append(engine, rows(minutes=range(400)), rows("MSFT", range(50)))
    newest = NewestRows(SET, NAMES)
    wanted = pl.concat([rows(minutes=range(3)), rows(minutes=range(200, 203)), rows("TSLA", range(2))])
    with transaction(engine) as connection:
        touched = newest.touched(connection, Spans.of(wanted))
        found = newest.in_spans(connection, touched)
    assert touched.tickers == ["AAPL", "AAPL"]
    minutes = [(stamp - MONDAY) / timedelta(minutes=1) for stamp in found["timestamp"]]
    assert minutes == [0, 1, 2, 200, 201, 202]
    assert set(found["ticker"]) == {"AAPL"}
