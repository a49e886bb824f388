"""The registry of tickers on a real PostgreSQL."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from infra.migrations import migrate
from shared.errors import ConfigurationError
from shared.settings import PostgresSettings
from shared.storage.postgres import make_engine
from shared.storage.tickers import TickerRegistry


@pytest.fixture
def engine(postgres: PostgresSettings) -> Iterator[Engine]:
    """An engine on an empty database of the test's own."""
    name = f"tickers_{uuid.uuid4().hex[:10]}"
    owner = make_engine(postgres)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = make_engine(postgres.model_copy(update={"postgres_db": name}))
    yield engine
    engine.dispose()
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()


@pytest.fixture
def registry(engine: Engine) -> TickerRegistry:
    migrate(engine)
    return TickerRegistry(engine)


def test_registry_before_migration_says_to_provision(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"infra\.provision"):
        TickerRegistry(engine).active()


def test_migration_again_changes_nothing(engine: Engine) -> None:
    before, after = migrate(engine)
    assert before is None
    assert migrate(engine) == (after, after)


def test_added_tickers_are_active_and_sorted(registry: TickerRegistry) -> None:
    assert registry.add(["MSFT", "AAPL", "SIM.A", "BRK.B"]) == ["AAPL", "BRK.B", "MSFT", "SIM.A"]
    assert registry.active() == ["AAPL", "BRK.B", "MSFT", "SIM.A"]


def test_adding_again_reports_nothing_and_keeps_when_and_what(registry: TickerRegistry) -> None:
    registry.add(["AAPL"], "Apple Inc.")
    (before,) = registry.all()
    assert registry.add(["AAPL", "AAPL"]) == []
    assert registry.all() == [before]
    assert before.name == "Apple Inc."
    assert before.added_at.utcoffset() == timedelta(0)


def test_adding_nothing_or_a_name_later(registry: TickerRegistry) -> None:
    assert registry.add([]) == []
    registry.add(["AAPL"])
    assert registry.add(["AAPL"], "Apple Inc.") == []
    assert [t.name for t in registry.all()] == ["Apple Inc."]


def test_removed_ticker_is_kept_inactive_and_may_come_back(registry: TickerRegistry) -> None:
    registry.add(["AAPL", "MSFT"])
    assert registry.remove(["AAPL", "NOPE"]) == ["AAPL"]
    assert registry.remove(["AAPL"]) == []
    assert registry.active() == ["MSFT"]
    gone = next(t for t in registry.all() if t.ticker == "AAPL")
    assert gone.removed_at is not None
    assert gone.removed_at >= gone.added_at
    assert registry.add(["AAPL"]) == ["AAPL"]
    assert [t.removed_at for t in registry.all()] == [None, None]


def test_seed_is_sown_once(registry: TickerRegistry) -> None:
    assert registry.seed({"AAPL": "Apple Inc.", "MSFT": "Microsoft"}) == 2
    registry.remove(["AAPL", "MSFT"])
    assert registry.seed({"AAPL": "Apple Inc.", "MSFT": "Microsoft", "IBM": "IBM"}) == 0
    assert registry.active() == []


def test_seed_leaves_alone_what_a_person_began(registry: TickerRegistry) -> None:
    registry.add(["TSLA"])
    assert registry.seed({"AAPL": "Apple Inc."}) == 0
    assert registry.active() == ["TSLA"]


def test_concurrent_adds_report_each_ticker_once(registry: TickerRegistry) -> None:
    names = [f"T{number}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        told = [ticker for added in pool.map(lambda _: registry.add(names), range(4)) for ticker in added]
    assert sorted(told) == sorted(names)


@pytest.mark.parametrize("name", ["", "aapl", "../etc", "A/B", "A B", "AAPL\n", "x" * 33, "'; DROP TABLE tickers; --"])
def test_name_that_is_no_ticker_is_refused_and_changes_nothing(registry: TickerRegistry, name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a ticker"):
        registry.add(["ZZZZ", name])
    assert registry.active() == []
