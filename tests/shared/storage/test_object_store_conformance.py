"""What every ObjectStore promises, held against the folder, memory, an S3 server of Python, and MinIO."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import ConfigurationError, ContractError
from shared.ports import ObjectStore, PreconditionFailedError
from tests.shared.storage.stores import Opener, folder_settings, opener_of, opener_of_memory, opener_of_s3

KINDS = ("folder", "memory", "moto", "minio")


@pytest.fixture(scope="module", params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opener:
    kind = request.param
    if kind == "folder":
        return opener_of(folder_settings(tmp_path_factory.mktemp("lake")))
    if kind == "memory":
        return opener_of_memory()
    return opener_of_s3(request.getfixturevalue(kind))


@pytest.fixture
def store(opener: Opener) -> ObjectStore:
    return opener()


@pytest.fixture
def bucket(store: ObjectStore) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    store.ensure_bucket(name)
    return name


def names(store: ObjectStore, bucket: str, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(bucket, prefix)]


def add_one(store: ObjectStore, bucket: str, name: str) -> None:
    """Read, add, write under the condition that nobody else did; from the start if somebody did."""
    while True:
        there = store.get(bucket, name)
        count = int(there.data) if there else 0
        try:
            store.put(bucket, name, str(count + 1).encode(), expected=there.etag if there else None)
        except PreconditionFailedError:
            continue
        return


def test_bucket_is_made_once(store: ObjectStore) -> None:
    name = f"b-{uuid.uuid4().hex[:12]}"
    assert store.ensure_bucket(name) is True
    assert store.ensure_bucket(name) is False
    assert names(store, name) == []


def test_missing_object_is_none(store: ObjectStore, bucket: str) -> None:
    assert store.get(bucket, "A/2024/01/A_2024-W01.parquet") is None


def test_written_object_is_read_by_another_handle(opener: Opener, bucket: str) -> None:
    etag = opener().put(bucket, "A/2024/01/A_2024-W01.parquet", b"bars", expected=None)
    there = opener().get(bucket, "A/2024/01/A_2024-W01.parquet")
    assert there is not None
    assert (there.data, there.etag) == (b"bars", etag)


@pytest.mark.parametrize("data", [b"", b"\0" * 1000, bytes(range(256)) * 4096 * 6], ids=["empty", "zeros", "6MiB"])
def test_bytes_come_back_as_they_were(store: ObjectStore, bucket: str, data: bytes) -> None:
    etag = store.put(bucket, "x", data, expected=None)
    there = store.get(bucket, "x")
    assert there is not None
    assert there.data == data
    assert store.put(bucket, "x", b"next", expected=etag) == store.get(bucket, "x").etag  # type: ignore[union-attr]


def test_create_where_an_object_is_refused_and_changes_nothing(store: ObjectStore, bucket: str) -> None:
    store.put(bucket, "x", b"first", expected=None)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", b"second", expected=None)
    assert store.get(bucket, "x").data == b"first"  # type: ignore[union-attr]


def test_replace_with_the_current_etag_gives_a_new_one(store: ObjectStore, bucket: str) -> None:
    first = store.put(bucket, "x", b"first", expected=None)
    second = store.put(bucket, "x", b"second", expected=first)
    assert second != first
    assert store.get(bucket, "x").data == b"second"  # type: ignore[union-attr]


def test_replace_with_a_stale_etag_is_refused_and_changes_nothing(store: ObjectStore, bucket: str) -> None:
    first = store.put(bucket, "x", b"first", expected=None)
    store.put(bucket, "x", b"second", expected=first)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", b"third", expected=first)
    assert store.get(bucket, "x").data == b"second"  # type: ignore[union-attr]


def test_replace_of_a_missing_object_is_refused_and_makes_none(store: ObjectStore, bucket: str) -> None:
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", b"first", expected="0" * 32)
    assert store.get(bucket, "x") is None


def test_same_bytes_have_the_same_etag(store: ObjectStore, bucket: str) -> None:
    assert store.put(bucket, "x", b"same", expected=None) == store.put(bucket, "y", b"same", expected=None)


def test_listing_is_sorted_complete_and_by_prefix(store: ObjectStore, bucket: str) -> None:
    given_names = ["A/2024/01/A_1.parquet", "A/2024/02/A_5.parquet", "A-B/2024/x", "A.B/x", "AA/x", "B.parquet", "B/x"]
    for name in given_names:
        store.put(bucket, name, name.encode(), expected=None)
    assert names(store, bucket) == sorted(given_names)
    assert names(store, bucket, "A/") == ["A/2024/01/A_1.parquet", "A/2024/02/A_5.parquet"]
    assert names(store, bucket, "A/2024/02/A") == ["A/2024/02/A_5.parquet"]
    assert names(store, bucket, "A") == sorted(n for n in given_names if n.startswith("A"))
    assert names(store, bucket, "B") == ["B.parquet", "B/x"]
    assert names(store, bucket, "none/at/all") == []


@pytest.mark.parametrize("prefix", ["../", "/", "//etc/", "a//", ".tmp/", "a/.", "a\0"])
def test_listing_of_what_is_no_prefix_is_refused(store: ObjectStore, bucket: str, prefix: str) -> None:
    with pytest.raises(ContractError, match="no object name"):
        names(store, bucket, prefix)


def test_listing_tells_size_and_time(store: ObjectStore, bucket: str) -> None:
    store.put(bucket, "x", b"12345", expected=None)
    (info,) = store.list(bucket)
    assert info.size == 5
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)
    assert info.modified.utcoffset() == timedelta(0)


def test_listing_goes_past_one_page(store: ObjectStore, bucket: str) -> None:
    given_names = [f"T/{number:05d}" for number in range(1003)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(bucket, name, b"", expected=None), given_names))
    assert names(store, bucket, "T/") == given_names


@pytest.mark.parametrize("call", ["get", "create", "replace", "list", "probe"])
def test_missing_bucket_needs_a_person(store: ObjectStore, call: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.get("no-such-bucket", "x"),
        "create": lambda: store.put("no-such-bucket", "x", b"", expected=None),
        "replace": lambda: store.put("no-such-bucket", "x", b"", expected="0" * 32),
        "list": lambda: list(store.list("no-such-bucket")),
        "probe": lambda: store.probe("no-such-bucket"),
    }
    with pytest.raises(ConfigurationError, match="bucket"):
        calls[call]()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        "../x",
        "a/../../x",
        "./x",
        ".tmp/x",
        "a/.locks",
        "a\\b",
        "a\0b",
        "a\nb",
        "é",
    ],
)
def test_name_that_is_none_is_refused(store: ObjectStore, bucket: str, name: str) -> None:
    with pytest.raises(ContractError, match="no object name"):
        store.put(bucket, name, b"x", expected=None)
    with pytest.raises(ContractError, match="no object name"):
        store.get(bucket, name)


@pytest.mark.parametrize("name", ["", "..", "a/b", "UPPER", "a", "a_b", "x" * 64])
def test_bucket_name_that_is_none_is_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(ContractError, match="no bucket name"):
        store.ensure_bucket(name)
    with pytest.raises(ContractError, match="no bucket name"):
        store.get(name, "x")


def test_probe_passes_again_and_again_and_is_not_listed(opener: Opener, bucket: str) -> None:
    opener().probe(bucket)
    opener().probe(bucket)
    assert names(opener(), bucket) == []


def test_concurrent_probes_all_pass(opener: Opener, bucket: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: opener().probe(bucket), range(4)))


def test_of_fifty_racing_creators_exactly_one_wins(opener: Opener, bucket: str) -> None:
    store, gate = opener(), threading.Barrier(50)

    def create(number: int) -> int | None:
        gate.wait()
        try:
            store.put(bucket, "race", str(number).encode(), expected=None)
        except PreconditionFailedError:
            return None
        return number

    with ThreadPoolExecutor(50) as pool:
        winners = [number for number in pool.map(create, range(50)) if number is not None]
    assert len(winners) == 1
    assert store.get(bucket, "race").data == str(winners[0]).encode()  # type: ignore[union-attr]


def test_concurrent_increments_lose_none(opener: Opener, bucket: str) -> None:
    def run(_: int) -> None:
        store = opener()
        for _ in range(10):
            add_one(store, bucket, "count")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert opener().get(bucket, "count").data == b"60"  # type: ignore[union-attr]


def test_reader_never_sees_half_of_an_object(opener: Opener, bucket: str) -> None:
    sizes = (200_000, 90_000)
    store, done = opener(), threading.Event()
    store.put(bucket, "whole", b"a" * sizes[0], expected=None)

    def write() -> None:
        for turn in range(40):
            there = store.get(bucket, "whole")
            assert there is not None
            store.put(bucket, "whole", bytes([98 + turn % 20]) * sizes[turn % 2], expected=there.etag)
        done.set()

    def read() -> int:
        reads = 0
        while not done.is_set():
            there = store.get(bucket, "whole")
            assert there is not None
            assert len(there.data) in sizes
            assert len(set(there.data)) == 1
            reads += 1
        return reads

    with ThreadPoolExecutor(3) as pool:
        writer, readers = pool.submit(write), [pool.submit(read) for _ in range(2)]
        writer.result()
        assert all(reader.result() > 0 for reader in readers)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.binary(max_size=4), st.sampled_from(["create", "replace", "stale"])),
        max_size=12,
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_writes_is_what_a_dictionary_says(
    store: ObjectStore, steps: list[tuple[str, bytes, str]]
) -> None:
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    store.ensure_bucket(bucket)
    model: dict[str, bytes] = {}
    for name, data, how in steps:
        there = store.get(bucket, name)
        expected = {"create": None, "replace": there.etag if there else "0" * 32, "stale": "f" * 32}[how]
        allowed = name not in model if how == "create" else name in model and how == "replace"
        try:
            store.put(bucket, name, data, expected=expected)
        except PreconditionFailedError:
            assert not allowed
        else:
            assert allowed
            model[name] = data
    assert {info.name: store.get(bucket, info.name).data for info in store.list(bucket)} == model  # type: ignore[union-attr]
