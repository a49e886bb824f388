"""Alpaca's corporate actions as facts: ratios, amounts, known times, and several on one ex-date."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from producers.alpaca.settings import AlpacaSettings
from producers.alpaca.source import AlpacaHistory
from producers.source import Fact, Refused
from shared.clock import ManualClock
from shared.contracts.facts import CorporateAction
from shared.testing.vendor_alpaca import KEY, SECRET, AlpacaApi

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
Records = dict[str, list[dict[str, Any]]]
START, END = date(2024, 1, 2), date(2024, 12, 31)


def dividend(ex_date: str, rate: Any, process_date: str | None = None, **more: Any) -> dict[str, Any]:
    record = {"id": f"{ex_date}/{rate}", "symbol": "KO", "cusip": "191216100", "rate": rate, "special": False}
    dates = {"ex_date": ex_date, "process_date": process_date or ex_date, "payable_date": process_date or ex_date}
    return {**record, "foreign": False, **dates, **more}


def split(ex_date: str, new: Any, old: Any, **more: Any) -> dict[str, Any]:
    dates = {"ex_date": ex_date, "process_date": ex_date}
    return {"symbol": "KO", "cusip": "191216100", "new_rate": new, "old_rate": old, **dates, **more}


def read(
    actions: dict[str, list[dict[str, Any]]], page_rows: int = 1000
) -> tuple[list[CorporateAction], list[Refused]]:
    clock = ManualClock(NOW)
    with AlpacaApi({}, actions, page_rows=page_rows) as api:
        settings = AlpacaSettings.load(alpaca_api_key=KEY, alpaca_secret_key=SECRET, alpaca_data_url=api.url)
        source = AlpacaHistory(settings, ["KO"], START, END, clock, clock.advance)
        items = list(source.read(source.units()[0]))
    assert all(item.key == "KO" for item in items if isinstance(item, Fact))
    facts = [item.message for item in items if isinstance(item, Fact) and isinstance(item.message, CorporateAction)]
    return facts, [item for item in items if isinstance(item, Refused)]


def test_splits_have_new_shares_for_one_old() -> None:
    facts, refused = read(
        {
            "forward_splits": [split("2024-06-10", 10, 1), split("2024-03-04", 3, 2)],
            "reverse_splits": [split("2024-09-03", 1, 8, new_cusip="x", old_cusip="y")],
        }
    )
    assert [(f.action, f.ex_date.isoformat(), f.ratio, f.amount) for f in facts] == [
        ("split", "2024-03-04", 1.5, None),
        ("split", "2024-06-10", 10.0, None),
        ("split", "2024-09-03", 0.125, None),
    ]
    assert not refused


def test_unit_split_counts_only_within_one_ticker() -> None:
    rates = {"new_rate": 2, "old_rate": 1, "process_date": "2024-05-06", "effective_date": "2024-05-06"}
    same = {"old_symbol": "KO", "new_symbol": "KO", **rates}
    other = {"old_symbol": "KO", "new_symbol": "KOX", **rates}
    facts, refused = read({"unit_splits": [same, other]})
    assert [(f.ratio, f.ex_date) for f in facts] == [(2.0, date(2024, 5, 6))]
    assert len(refused) == 1
    assert "other symbols" in refused[0].reason


def test_dividend_is_known_at_its_ex_dates_open_not_when_it_is_paid() -> None:
    facts, _ = read({"cash_dividends": [dividend("2024-03-14", 0.485, "2024-04-01"), dividend("2024-07-06", 0.5)]})
    assert [(f.known_at, f.known_basis) for f in facts] == [
        (datetime(2024, 3, 14, 13, 30, tzinfo=UTC), "nominal"),
        (datetime(2024, 7, 8, 13, 30, tzinfo=UTC), "nominal"),  # the 6th is a Saturday
    ]


def test_ex_date_decides_what_belongs_to_the_range() -> None:
    dividends = [
        dividend("2023-12-28", 0.1, "2024-01-15"),
        dividend("2024-01-02", 0.2, "2024-01-10"),
        dividend("2024-12-31", 0.3, "2025-02-03"),
        dividend("2025-01-02", 0.4, "2025-01-03"),
    ]
    facts, _ = read({"cash_dividends": dividends})
    assert [f.amount for f in facts] == [0.2, 0.3]


def test_dividends_of_one_ex_date_do_not_hide_each_other() -> None:
    day = "2024-03-14"
    dividends = [
        dividend(day, 0.485),
        dividend(day, 2.5, special=True),
        dividend(day, 0.1, sub_type="return_of_capital"),
        dividend(day, 0.02),
    ]
    facts, _ = read({"cash_dividends": dividends})
    assert {(f.label, f.amount) for f in facts} == {
        ("", 0.02),
        ("#2", 0.485),
        ("special", 2.5),
        ("return_of_capital", 0.1),
    }


def test_record_listed_twice_is_one_action() -> None:
    facts, _ = read({"cash_dividends": [dividend("2024-03-14", 0.485)] * 2})
    assert [f.label for f in facts] == [""]


def test_all_pages_are_read() -> None:
    dividends = [dividend(f"2024-{month:02d}-{day:02d}", 0.1) for month in range(1, 13) for day in (3, 9, 17)]
    facts, _ = read({"cash_dividends": dividends}, page_rows=7)
    assert len(facts) == 36


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (dividend("2024-03-14", 0), "amount"),
        (dividend("2024-03-14", "much"), "much"),
        (dividend("2024-03-14", 0.3, currency="EUR"), "EUR"),
        ({k: v for k, v in dividend("2024-03-14", 0.3).items() if k != "rate"}, "rate is missing"),
        (dividend("2024-03-14", 0.3) | {"ex_date": "soon"}, "soon"),
    ],
)
def test_record_that_cannot_be_an_action_is_refused_with_its_bytes(record: dict[str, Any], reason: str) -> None:
    facts, refused = read({"cash_dividends": [record, dividend("2024-06-13", 0.485)]})
    assert [f.amount for f in facts] == [0.485]
    assert len(refused) == 1
    assert reason in refused[0].reason
    assert b"cash_dividends" in refused[0].raw


def test_split_without_an_old_share_is_refused() -> None:
    facts, refused = read({"forward_splits": [split("2024-03-14", 2, 0)]})
    assert not facts
    assert len(refused) == 1
