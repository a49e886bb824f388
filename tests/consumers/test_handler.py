"""The handler: what waits, when it is flushed, what an outage leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from consumers.handler import LakeHandler
from consumers.kinds import Kind, kind_of
from consumers.merging import LakeWriter
from consumers.parquet import decode
from shared.errors import ContractError, PoisonMessageError, TransientError
from shared.runtime import failpoints
from shared.settings import KafkaSettings
from shared.testing.memory_store import MemoryStore
from tests.consumers.making import bar, bars, encoded, lake_of, record

STOCK = kind_of("stock", KafkaSettings.load())
DOWN = TransientError("the store is down")


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.ensure_bucket(STOCK.dataset.bucket)
    return made


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as made:
        yield made


@pytest.fixture
def handler(store: MemoryStore, executor: ThreadPoolExecutor) -> LakeHandler:
    return LakeHandler(STOCK, LakeWriter(store, STOCK.dataset, "tests"), executor, "tests")


def rows_in(store: MemoryStore) -> int:
    return sum(decode(data).versions.height for data in lake_of(store, STOCK.dataset.bucket).values())


def feed(handler: LakeHandler, tickers: int, topic: str = "h_alpaca") -> None:
    for n in range(tickers):
        handler.handle(record(f"T{n}", encoded(bars(f"T{n}")), topic, offset=n))


def test_flush_everything_handled_is_in_the_lake_and_nothing_waits(handler: LakeHandler, store: MemoryStore) -> None:
    feed(handler, 10)

    handler.flush()

    assert rows_in(store) == 50
    assert handler.pending_rows == 0


def test_flush_many_records_of_one_object_are_one_write(handler: LakeHandler, store: MemoryStore) -> None:
    for n in range(200):
        handler.handle(record("AAPL", encoded([bar(minute=n)]), "stock_bars", offset=n))

    handler.flush()

    assert (store.writes, rows_in(store)) == (1, 200)


def test_flush_in_an_outage_raises_keeps_everything_and_succeeds_later(
    handler: LakeHandler, store: MemoryStore
) -> None:
    feed(handler, 10)
    waiting = handler.pending_rows
    store.outage = DOWN

    with pytest.raises(TransientError, match="down"):
        handler.flush()
    assert handler.pending_rows == waiting

    store.outage = None
    handler.flush()
    assert rows_in(store) == 50


def test_flush_of_trouble_for_now_and_for_good_raises_what_a_person_must_mend(
    handler: LakeHandler, store: MemoryStore
) -> None:
    feed(handler, 10)
    store.put(STOCK.dataset.bucket, "T3/2025/01/T3_2025-W02.parquet", b"spoilt", expected=None)

    with pytest.raises(ContractError, match="T3"):
        handler.flush()

    assert handler.pending_rows > 0


def test_discard_forgets_what_waits(handler: LakeHandler, store: MemoryStore) -> None:
    feed(handler, 3)

    handler.discard()
    handler.flush()

    assert (rows_in(store), handler.pending_rows) == (0, 0)


def test_handle_poison_changes_nothing(handler: LakeHandler) -> None:
    with pytest.raises(PoisonMessageError):
        handler.handle(record("AAPL", b"garbage"))

    assert handler.pending_rows == 0


def test_idle_flush_is_for_history_not_for_live_bars(handler: LakeHandler) -> None:
    assert not handler.flush_when_idle
    feed(handler, 2, "stock_bars")
    assert not handler.flush_when_idle
    feed(handler, 1, "h_alpaca")
    assert handler.flush_when_idle
    handler.flush()
    assert not handler.flush_when_idle


def test_pending_weight_of_short_messages_counts_their_frames_until_they_are_joined(handler: LakeHandler) -> None:
    for n in range(63):
        handler.handle(record("AAPL", encoded([bar(minute=n)]), "stock_bars", offset=n))
    apart = handler.pending_rows

    handler.handle(record("AAPL", encoded([bar(minute=63)]), "stock_bars", offset=63))

    assert apart > 63 * 10
    assert handler.pending_rows == 64


def test_failpoints_inside_a_merge_and_after_the_writes(handler: LakeHandler, store: MemoryStore) -> None:
    feed(handler, 1)
    failpoints.configure("tests.inside_merge=raise,tests.after_write=raise@1")
    try:
        with pytest.raises(RuntimeError, match="inside_merge"):
            handler.flush()
        assert rows_in(store) == 0
        with pytest.raises(RuntimeError, match="after_write"):
            handler.flush()
        assert rows_in(store) == 5
    finally:
        failpoints.configure("")


@pytest.mark.parametrize("name", ["stock", "actions", "macro", "company"])
def test_kind_reads_topics_of_the_contracts(name: str) -> None:
    kind: Kind = kind_of(name, KafkaSettings.load(topic_macro="historical_macro"))

    assert kind.group == f"lake-{name}"
    assert (
        kind.topics
        == {
            "stock": ("h_alpaca", "stock_bars"),
            "actions": ("corporate_actions",),
            "macro": ("historical_macro",),
            "company": ("h_company",),
        }[name]
    )
    assert replace(kind, topics=()).dataset is kind.dataset
