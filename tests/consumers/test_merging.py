"""Merging into objects on every store: writers race, repeat and split, and the object is the same."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.lineage import Lineage
from consumers.merging import LakeWriter
from consumers.parquet import UnreadableParquetError, decode
from shared.contracts.bars import BAR_COLUMNS, INSTANT
from shared.contracts.lake import STOCK
from shared.contracts.versions import union_versions
from shared.errors import ContractError, TransientError
from shared.ports import ObjectInfo, ObjectStore, PreconditionFailedError, StoredObject
from shared.storage.folder import FolderStore
from shared.storage.s3 import S3Store
from shared.testing.memory_store import MemoryStore
from shared.testing.s3_server import lake_settings, s3_server
from tests.consumers.making import INGESTED, bar, bars, seen
from tests.shared.contracts.facts_of_datasets import FACTS, NAMES, Row, one_row_frame

NAME = "AAPL/2025/01/AAPL_2025-W02.parquet"


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    match request.param:
        case "memory":
            made: ObjectStore = MemoryStore()
        case "folder":
            made = FolderStore(tmp_path)
        case _:
            made = S3Store(lake_settings(request.getfixturevalue("s3_port")))
    for dataset, _ in FACTS:
        made.ensure_bucket(dataset.bucket)
    return made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An object of the test's own: the S3 server is shared."""
    return f"{abs(hash(request.node.nodeid))}/object.parquet"


def frame(rows: list[Row], later: int = 0) -> pl.DataFrame:
    ingested = INGESTED + timedelta(seconds=later)
    return pl.DataFrame(
        [row | {"ingested_at": ingested} for row in rows], schema={**BAR_COLUMNS, "ingested_at": INSTANT}
    )


def stored(store: ObjectStore, name: str, bucket: str = STOCK.bucket) -> pl.DataFrame:
    found = store.get(bucket, name)
    assert found is not None
    return decode(found.data).versions


def lineage(offset: int) -> Lineage:
    return Lineage({("h_alpaca", 0): (offset, offset)})


def test_merge_new_object_holds_the_union(store: ObjectStore, name: str) -> None:
    assert LakeWriter(store, STOCK, "tests").merge(name, [frame(bars())], lineage(1))

    assert stored(store, name).equals(union_versions(STOCK, frame(bars())))


def test_merge_same_versions_again_does_not_write(store: ObjectStore, name: str) -> None:
    writer = LakeWriter(store, STOCK, "tests")
    writer.merge(name, [frame(bars())], lineage(1))
    before = store.get(STOCK.bucket, name)

    assert not writer.merge(name, [frame(bars(), later=5)], lineage(2))

    assert store.get(STOCK.bucket, name) == before


def test_merge_earlier_ingestion_of_a_known_version_is_kept(store: ObjectStore, name: str) -> None:
    writer = LakeWriter(store, STOCK, "tests")
    writer.merge(name, [frame(bars(), later=5)], lineage(2))

    assert writer.merge(name, [frame(bars())], lineage(1))

    assert set(stored(store, name)["ingested_at"]) == {INGESTED}


def test_merge_lineage_grows(store: ObjectStore, name: str) -> None:
    writer = LakeWriter(store, STOCK, "tests")
    writer.merge(name, [frame(bars())], lineage(7))
    writer.merge(name, [frame(bars(minutes=range(5, 8)))], lineage(9))

    found = store.get(STOCK.bucket, name)

    assert found is not None
    assert dict(decode(found.data).lineage) == {("h_alpaca", 0): (7, 9)}


@pytest.mark.parametrize(("dataset", "facts"), FACTS, ids=NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_merge_any_batches_by_any_writers_give_the_same_object(
    tmp_path_factory: pytest.TempPathFactory,
    dataset,
    facts,
    data: st.DataObject,  # type: ignore[no-untyped-def]
) -> None:
    rows = data.draw(st.lists(facts, min_size=1, max_size=6))
    arrivals = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=3))))
    folder = tmp_path_factory.mktemp("lake")
    writers = [LakeWriter(FolderStore(folder), dataset, "tests") for _ in range(2)]
    FolderStore(folder).ensure_bucket(dataset.bucket)

    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        batch, arrivals = arrivals[:size], arrivals[size:]
        writer = data.draw(st.sampled_from(writers))
        writer.merge("AAPL.parquet", [one_row_frame(dataset, row) for row in batch], lineage(1))

    found = stored(FolderStore(folder), "AAPL.parquet", dataset.bucket)
    expected = union_versions(dataset, *(one_row_frame(dataset, row) for row in rows))
    assert found.schema == expected.schema
    assert found.equals(expected)


def test_merge_many_racing_writers_lose_nothing(store: ObjectStore, name: str) -> None:
    batches = [[bar(minute=n)] for n in range(12)] + [[seen(bar(minute=n, close=99.0), n)] for n in range(12)]
    failures: list[BaseException] = []

    def write(batch: list[Row]) -> None:
        while True:
            try:
                LakeWriter(store, STOCK, "tests").merge(name, [frame(batch)], lineage(1))
            except TransientError:
                continue  # the loop's part
            except BaseException as error:
                failures.append(error)
            return

    threads = [threading.Thread(target=write, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    assert stored(store, name).equals(union_versions(STOCK, *(frame(batch) for batch in batches)))


class Rivalled:
    """A real store on which a rival writes each time between our reading and writing."""

    def __init__(self, store: ObjectStore, rival: Callable[[int], None]) -> None:
        self._store = store
        self._rival = rival
        self.reads = 0

    def get(self, bucket: str, name: str) -> StoredObject | None:
        found = self._store.get(bucket, name)
        self._rival(self.reads)
        self.reads += 1
        return found

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        return self._store.put(bucket, name, data, expected=expected)

    def ensure_bucket(self, bucket: str) -> bool:
        return self._store.ensure_bucket(bucket)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._store.list(bucket, prefix)

    def probe(self, bucket: str) -> None:
        self._store.probe(bucket)


def test_merge_rival_that_writes_in_between_is_merged_with(store: ObjectStore, name: str) -> None:
    other = LakeWriter(store, STOCK, "tests")

    def rival(round_number: int) -> None:
        if round_number < 3:
            other.merge(name, [frame([bar(minute=100 + round_number)])], lineage(2))

    LakeWriter(Rivalled(store, rival), STOCK, "tests").merge(name, [frame(bars())], lineage(1))

    assert stored(store, name)["volume"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0, 100.0, 101.0, 102.0]


def test_merge_rival_without_end_is_transient(store: ObjectStore, name: str) -> None:
    other = LakeWriter(store, STOCK, "tests")

    def rival(round_number: int) -> None:
        other.merge(name, [frame([bar(minute=100 + round_number)])], lineage(2))

    with pytest.raises(TransientError, match="written by others"):
        LakeWriter(Rivalled(store, rival), STOCK, "tests").merge(name, [frame(bars())], lineage(1))


@pytest.mark.parametrize("content", [b"", b"not Parquet", b"PAR1 cut off"])
def test_merge_object_that_is_no_parquet_is_refused_and_left_alone(content: bytes) -> None:
    store = MemoryStore()
    store.ensure_bucket(STOCK.bucket)
    store.put(STOCK.bucket, NAME, content, expected=None)

    with pytest.raises(ContractError, match=f"{STOCK.bucket}/{NAME}"):
        LakeWriter(store, STOCK, "tests").merge(NAME, [frame(bars())], lineage(1))

    found = store.get(STOCK.bucket, NAME)
    assert found is not None
    assert found.data == content


def test_merge_object_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    store.ensure_bucket(STOCK.bucket)
    newer = tmp_path / "newer.parquet"
    union_versions(STOCK, frame(bars())).with_columns(mood=pl.lit("good")).write_parquet(newer)
    store.put(STOCK.bucket, NAME, newer.read_bytes(), expected=None)

    with pytest.raises(ContractError, match="mood"):
        LakeWriter(store, STOCK, "tests").merge(NAME, [frame(bars(minutes=range(9)))], lineage(1))


def test_decode_spoilt_object_is_unreadable_not_wrong() -> None:
    store = MemoryStore()
    store.ensure_bucket(STOCK.bucket)
    LakeWriter(store, STOCK, "tests").merge(NAME, [frame(bars(minutes=range(500)))], lineage(1))
    found = store.get(STOCK.bucket, NAME)
    assert found is not None

    with pytest.raises(UnreadableParquetError):
        decode(found.data[: len(found.data) // 2])


def test_failing_precondition_is_the_ports_error() -> None:
    store = MemoryStore()
    store.ensure_bucket(STOCK.bucket)

    with pytest.raises(PreconditionFailedError):
        store.put(STOCK.bucket, NAME, b"", expected="something")
