"""Context on a real PostgreSQL: whatever way facts come in, they come out as the lake has them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, text

from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.lake import ACTIONS, DATASETS, FUNDAMENTALS, MACRO, Dataset
from shared.contracts.versions import union_versions
from shared.storage.context_store import ContextStore, Fact, NewFact
from shared.storage.postgres import transaction
from tests.shared.contracts.facts_of_datasets import FACTS, Row, one_row_frame

STORE = ContextStore()
MESSAGES: dict[str, type[MacroVintage] | type[Filing] | type[CorporateAction]] = {
    MACRO.bucket: MacroVintage,
    FUNDAMENTALS.bucket: Filing,
    ACTIONS.bucket: CorporateAction,
}
SLOW = [(dataset, rows) for dataset, rows in FACTS if dataset.bucket in MESSAGES]
RELEASED = datetime(2025, 1, 30, 13, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def add(engine: Engine, *facts: tuple[Fact, datetime]) -> list[NewFact]:
    with transaction(engine) as connection:
        return STORE.add(connection, facts)


def read(engine: Engine, dataset: Dataset, ticker: str = "AAPL") -> pl.DataFrame:
    with transaction(engine) as connection:
        context = STORE.context(connection, ticker)
    return {MACRO.bucket: context.macro, FUNDAMENTALS.bucket: context.filings, ACTIONS.bucket: context.actions}[
        dataset.bucket
    ]


def vintage(value: float | None = 1.5, **changes: Any) -> MacroVintage:
    plain = {"series": "GDPC1", "date": date(2024, 10, 1), "released_at": RELEASED, "released_basis": "calendar"}
    return MacroVintage.model_validate({**plain, "value": value, "source": "fred", **changes})


def message_of(dataset: Dataset, row: Row) -> Fact:
    """As a producer would send the row; the lake's strategies also make rows that no producer may send."""
    said = {name: value for name, value in row.items() if name != "ingested_at"}
    if dataset is MACRO:
        said["date"] -= timedelta(days=31)  # released after the period began
    try:
        return MESSAGES[dataset.bucket].model_validate(said)
    except ValidationError:
        assume(False)
        raise


def as_the_lake(dataset: Dataset, facts: list[tuple[Fact, datetime]]) -> pl.DataFrame:
    """What consumers make of the same records: the union of one frame each."""
    frames = [one_row_frame(dataset, dict(fact) | {"ingested_at": at}) for fact, at in facts]
    return union_versions(dataset, *frames)


@pytest.mark.parametrize(("dataset", "rows"), SLOW, ids=[dataset.bucket for dataset, _ in SLOW])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_context_is_what_the_lake_has_in_any_order_and_split(
    engine: Engine, dataset: Dataset, rows: st.SearchStrategy[Row], data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(rows, min_size=1, max_size=8))
    facts = [(message_of(dataset, row), row["ingested_at"]) for row in drawn]
    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE macro_vintages, filings, corporate_actions"))
    again = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    cut = data.draw(st.integers(0, len(facts)))
    new = add(engine, *facts[cut:]) + add(engine, *facts[:cut])
    assert add(engine, *again) == []
    stored, expected = read(engine, dataset), as_the_lake(dataset, facts)
    assert stored.equals(expected)
    assert stored.schema == expected.schema
    assert all(any(fresh.fact == fact for fact, _ in facts) for fresh in new)


def test_first_version_is_known_as_stated_and_a_silent_revision_when_it_came(engine: Engine) -> None:
    first, revised = vintage(1.5), vintage(1.6)
    assert add(engine, (first, RELEASED + HOUR)) == [NewFact(first, RELEASED)]
    assert add(engine, (revised, RELEASED + 9 * HOUR)) == [NewFact(revised, RELEASED + 9 * HOUR)]
    observed = vintage(1.7, released_basis="observed", released_at=RELEASED + 2 * HOUR)
    assert add(engine, (observed, RELEASED + 99 * HOUR)) == [NewFact(observed, RELEASED + 2 * HOUR)]
    known = read(engine, MACRO).sort("known_at").select("value", "known_at").rows()
    assert known == [(1.5, RELEASED), (1.7, RELEASED + 2 * HOUR), (1.6, RELEASED + 9 * HOUR)]


def test_repeated_fact_is_not_new_and_keeps_its_least_time(engine: Engine) -> None:
    add(engine, (vintage(), RELEASED + 5 * HOUR))
    assert add(engine, (vintage(), RELEASED + 9 * HOUR)) == []
    assert add(engine, (vintage(), RELEASED + 2 * HOUR), (vintage(), RELEASED + HOUR)) == []
    assert read(engine, MACRO)["ingested_at"].to_list() == [RELEASED + HOUR]


def test_numbers_and_nulls_come_back_exactly(engine: Engine) -> None:
    numbers = [0.1 + 0.2, 1e300, 5e-324, -123456789.123456789, 391035000000.0]
    facts = [(vintage(n, date=date(2024, 1, 1 + p)), RELEASED) for p, n in enumerate([*numbers, None])]
    add(engine, *facts)
    assert read(engine, MACRO).sort("date")["value"].to_list() == [*numbers, None]
    statement = {f"n{place}": number for place, number in enumerate(numbers)}
    said = {"text": "10-K", "yes": True, "gone": None, **statement}
    filing = Filing.model_validate(
        {
            "symbol": "AAPL", "period": "FY", "period_end": date(2024, 9, 28), "calendarYear": 2024,
            "filed_at": RELEASED, "filed_basis": "accepted", "source": "files", **said,
        }
    )  # fmt: skip
    add(engine, (filing, RELEASED))
    (row,) = read(engine, FUNDAMENTALS).rows(named=True)
    assert {name: row[name] for name in said} == said


def test_worlds_and_tickers_are_kept_apart(engine: Engine) -> None:
    action = {"action": "split", "ratio": 2.0, "ex_date": date(2025, 2, 3), "known_at": RELEASED}
    both = [
        CorporateAction.model_validate(
            {**action, "ticker": ticker, "known_basis": "observed", "source": "x", "simulated": ticker[:4] == "SIM."}
        )
        for ticker in ("AAPL", "SIM.A")
    ]
    series = [vintage(), vintage(series="SIM.GDP", simulated=True)]
    add(engine, *((fact, RELEASED) for fact in (*both, *series)))
    for ticker, name in (("AAPL", "GDPC1"), ("SIM.A", "SIM.GDP")):
        assert read(engine, MACRO, ticker)["series"].to_list() == [name]
        assert read(engine, ACTIONS, ticker)["ticker"].to_list() == [ticker]
    assert read(engine, ACTIONS, "MSFT").is_empty()


def test_nothing_is_an_empty_context_in_lake_columns(engine: Engine) -> None:
    for dataset in DATASETS:
        if dataset.bucket in MESSAGES:
            assert read(engine, dataset).schema == dataset.lake_columns


def test_digest_moves_with_every_change_and_only_then(engine: Engine) -> None:
    def digest() -> str:
        with transaction(engine) as connection:
            return STORE.digest(connection)

    seen = [digest()]
    add(engine, (vintage(), RELEASED + HOUR))
    seen.append(digest())
    add(engine, (vintage(), RELEASED + 2 * HOUR))
    assert digest() == seen[-1]
    add(engine, (vintage(), RELEASED))
    seen.append(digest())
    add(engine, (vintage(1.6), RELEASED))
    seen.append(digest())
    assert len(set(seen)) == len(seen)


def test_rolled_back_facts_are_not_there(engine: Engine) -> None:
    with pytest.raises(RuntimeError), transaction(engine) as connection:
        STORE.add(connection, [(vintage(), RELEASED)])
        assert STORE.macro(connection, simulated=False).height == 1
        raise RuntimeError("a failure after it")
    assert read(engine, MACRO).is_empty()
