"""Which rows a slow fact that comes late touches."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

from aggregator.making import weeks_between
from aggregator.remakes import requests_of
from shared.contracts.facts import CorporateAction, MacroVintage
from shared.contracts.weeks import IsoWeek
from shared.storage.context_store import NewFact
from shared.storage.remakes import Remake

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)  # a Wednesday
NEWEST = {"AAPL": NOON + timedelta(days=1), "MSFT": NOON - timedelta(days=30), "SIM.A": NOON + timedelta(days=2)}


def vintage(known_at: datetime, simulated: bool = False) -> NewFact:
    series = "SIM.DGS10" if simulated else "DGS10"
    fact = MacroVintage(
        series=series, date=date(2025, 1, 2), value=4.5, released_at=known_at, released_basis="observed",
        source="tests", simulated=simulated,
    )  # fmt: skip
    return NewFact(fact, known_at)


def action(known_at: datetime, ex_date: date, kind: Literal["split", "dividend"] = "split") -> NewFact:
    fact = CorporateAction(
        ticker="AAPL", action=kind, ratio=2.0 if kind == "split" else None, amount=None if kind == "split" else 0.3,
        ex_date=ex_date, known_at=known_at, known_basis="observed", source="tests",
    )  # fmt: skip
    return NewFact(fact, known_at)


def asked(*facts: NewFact) -> list[Remake]:
    return list(requests_of(facts, NEWEST, len))


def test_vintage_touches_the_tickers_of_its_world_that_have_rows_since_its_release() -> None:
    assert [(one.ticker, one.as_of) for one in asked(vintage(NOON))] == [("AAPL", NOON)]
    assert [one.ticker for one in asked(vintage(NOON, simulated=True))] == ["SIM.A"]
    assert asked(vintage(NOON + timedelta(days=30))) == []
    assert [one.ticker for one in asked(vintage(NOON - timedelta(days=60)))] == ["AAPL", "MSFT"]


def test_action_touches_its_ticker_from_its_day_or_its_announcement_on() -> None:
    (late,) = asked(action(NOON, date(2025, 1, 8)))
    assert (late.ticker, late.partition, late.as_of) == ("AAPL", 4, NOON)
    assert late.since == datetime(2025, 1, 8, tzinfo=UTC)
    (early,) = asked(action(NOON, date(2025, 2, 8), "dividend"))
    assert early.since == NOON


def test_several_facts_are_one_request_a_ticker() -> None:
    (one,) = asked(action(NOON, date(2025, 1, 8)), vintage(NOON - timedelta(days=3)), action(NOON, date(2025, 1, 10)))
    assert one.since == min(datetime(2025, 1, 8, tzinfo=UTC), IsoWeek.of(NOON - timedelta(days=3)).start)
    assert one.as_of == NOON - timedelta(days=3)


def test_weeks_between_holds_both_ends() -> None:
    sunday = datetime(2025, 1, 5, 23, 59, tzinfo=UTC)
    weeks = weeks_between(sunday, sunday + timedelta(days=8))
    assert weeks == [IsoWeek(2025, 1), IsoWeek(2025, 2), IsoWeek(2025, 3)]
    assert weeks_between(sunday, sunday + timedelta(days=80), 2) == [IsoWeek(2025, 1), IsoWeek(2025, 2)]
