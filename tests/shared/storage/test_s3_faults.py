"""Networks and servers at their worst between the S3 store and a real S3 server: bounded, right, and never twice."""

import socket
import time
import uuid
from collections.abc import Iterator

import pytest

from shared.errors import ConfigurationError, TransientError
from shared.ports import PreconditionFailedError, StoredObject
from shared.storage.s3 import S3Store
from shared.testing.faults import Fault
from shared.testing.faulty_proxy import FaultyProxy, faulty_proxy
from shared.testing.s3_server import lake_settings

# Of the impatient store: a pause between two tries and one last request come on top; the rest is for a busy machine.
TIMEOUT_SECONDS = 0.3
RETRY_SECONDS = 1.0
BOUND_SECONDS = 20.0
PASSING = [Fault.NO_ANSWER, Fault.RESET, Fault.ERROR_500, Fault.BUSY_503]
AFTER_THE_EFFECT = [Fault.LOST_ANSWER, Fault.LATE_ANSWER]
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def behind(moto: int) -> S3Store:
    """The store without faults: the oracle, and the rival."""
    return S3Store(lake_settings(moto))


@pytest.fixture
def proxy(moto: int) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: FaultyProxy, request: pytest.FixtureRequest) -> S3Store:
    """A patient store; where the answer never comes whole, it gives up soon."""
    fault = request.node.callspec.params.get("fault") if hasattr(request.node, "callspec") else None
    timeout = 1.0 if fault in (Fault.NO_ANSWER, Fault.LATE_ANSWER, Fault.SLOW_BODY) else 10.0
    return S3Store(lake_settings(proxy.port, timeout_seconds=timeout, retry_seconds=30.0))


@pytest.fixture
def impatient(proxy: FaultyProxy) -> S3Store:
    return S3Store(lake_settings(proxy.port, TIMEOUT_SECONDS, RETRY_SECONDS))


@pytest.fixture
def bucket(behind: S3Store) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    behind.ensure_bucket(name)
    return name


def there(store: S3Store, bucket: str) -> StoredObject:
    found = store.get(bucket, "x")
    assert found is not None
    return found


@pytest.mark.parametrize("fault", PASSING)
def test_write_goes_through_once_after_faults_that_pass(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    proxy.plan.inject("PUT", fault, fault)
    etag = store.put(bucket, "x", DATA, expected=None)
    assert there(behind, bucket) == StoredObject(DATA, etag)
    assert proxy.plan.count("PUT") == 3
    assert proxy.plan.passed["PUT"] == 1


@pytest.mark.parametrize("fault", AFTER_THE_EFFECT)
@pytest.mark.parametrize("replacing", [False, True], ids=["create", "replace"])
def test_write_whose_answer_is_lost_succeeds_and_is_not_done_twice(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault, replacing: bool
) -> None:
    before = behind.put(bucket, "x", b"before", expected=None) if replacing else None
    proxy.plan.inject("PUT", fault)
    etag = store.put(bucket, "x", DATA, expected=before)
    assert there(behind, bucket) == StoredObject(DATA, etag)
    assert proxy.plan.passed["PUT"] == 2, "the second try is refused by its condition"


def test_write_whose_answer_and_whose_check_are_lost_still_succeeds(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str
) -> None:
    proxy.plan.inject("PUT", Fault.LOST_ANSWER, Fault.BUSY_503)
    proxy.plan.inject("HEAD", Fault.RESET, Fault.BUSY_503)
    etag = store.put(bucket, "x", DATA, expected=None)
    assert there(behind, bucket) == StoredObject(DATA, etag)


def test_rival_that_wrote_first_is_told(store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    proxy.plan.rival = lambda: behind.put(bucket, "x", b"rival", expected=None)
    proxy.plan.inject("PUT", Fault.RIVAL)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", DATA, expected=None)
    assert there(behind, bucket).data == b"rival"


def test_rival_with_the_same_bytes_is_a_rival(store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    proxy.plan.rival = lambda: behind.put(bucket, "x", DATA, expected=None)
    proxy.plan.inject("PUT", Fault.RIVAL)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", DATA, expected=None)


@pytest.mark.parametrize("fault", [Fault.NO_ANSWER, Fault.RESET])
def test_rival_between_the_tries_is_told(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    before = behind.put(bucket, "x", b"before", expected=None)
    proxy.plan.rival = lambda: behind.put(bucket, "x", b"rival", expected=before)
    proxy.plan.inject("PUT", fault, Fault.RIVAL)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", DATA, expected=before)
    assert there(behind, bucket).data == b"rival"


def test_rival_over_a_write_whose_answer_was_lost_is_told_and_had_it_before_him(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str
) -> None:
    seen: list[bytes] = []

    def add() -> None:
        current = there(behind, bucket)
        seen.append(current.data)
        behind.put(bucket, "x", current.data + b"rival", expected=current.etag)

    proxy.plan.rival = add
    proxy.plan.inject("PUT", Fault.LOST_ANSWER, Fault.RIVAL)
    with pytest.raises(PreconditionFailedError):
        store.put(bucket, "x", DATA, expected=None)
    assert seen == [DATA]
    assert there(behind, bucket).data == DATA + b"rival"


READ_FAULTS = [*PASSING, Fault.LOST_ANSWER, Fault.SLOW_BODY, Fault.TRUNCATED_BODY, Fault.SPOILT_BODY]


@pytest.mark.parametrize("fault", READ_FAULTS)
def test_read_goes_through_whole_after_faults_that_pass(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    etag = behind.put(bucket, "x", DATA, expected=None)
    proxy.plan.inject("GET", fault, fault)
    assert store.get(bucket, "x") == StoredObject(DATA, etag)
    assert proxy.plan.count("GET") == 3


@pytest.mark.parametrize("fault", PASSING)
def test_listing_goes_through_after_faults_that_pass(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    behind.put(bucket, "x", DATA, expected=None)
    proxy.plan.inject("GET", fault, fault)
    assert [info.name for info in store.list(bucket)] == ["x"]


@pytest.mark.parametrize("fault", [*PASSING, *AFTER_THE_EFFECT])
def test_bucket_is_there_after_faults_that_pass(
    store: S3Store, behind: S3Store, proxy: FaultyProxy, fault: Fault
) -> None:
    name = f"b-{uuid.uuid4().hex[:12]}"
    proxy.plan.inject("PUT", fault)
    proxy.plan.inject("HEAD", fault)
    store.ensure_bucket(name)
    assert behind.ensure_bucket(name) is False


@pytest.mark.parametrize("fault", [*PASSING, Fault.SLOW_BODY, Fault.TRUNCATED_BODY])
def test_read_gives_up_within_bounds_when_the_fault_stays(
    impatient: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    behind.put(bucket, "x", DATA, expected=None)
    proxy.plan.always["GET"] = fault
    begun = time.monotonic()
    with pytest.raises(TransientError, match="LAKE_"):
        impatient.get(bucket, "x")
    assert time.monotonic() - begun < BOUND_SECONDS
    assert 2 <= proxy.plan.count("GET") <= 12


@pytest.mark.parametrize("fault", PASSING)
def test_write_gives_up_within_bounds_when_the_fault_stays(
    impatient: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str, fault: Fault
) -> None:
    proxy.plan.always["PUT"] = fault
    begun = time.monotonic()
    with pytest.raises(TransientError, match="LAKE_URL"):
        impatient.put(bucket, "x", DATA, expected=None)
    assert time.monotonic() - begun < BOUND_SECONDS
    assert 2 <= proxy.plan.count("PUT") <= 12
    assert behind.get(bucket, "x") is None


def test_write_that_gave_up_may_be_made_again(behind: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    store = S3Store(lake_settings(proxy.port, timeout_seconds=10.0, retry_seconds=RETRY_SECONDS))
    proxy.plan.always["PUT"] = Fault.BUSY_503
    with pytest.raises(TransientError):
        store.put(bucket, "x", DATA, expected=None)
    proxy.plan.always.clear()
    assert store.put(bucket, "x", DATA, expected=None) == there(behind, bucket).etag


class NoTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_store_that_refuses_at_once_is_tried_for_as_long_as_told(
    proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = NoTime()
    monkeypatch.setattr("tenacity.time", clock)
    monkeypatch.setattr("tenacity.nap.time", clock)
    proxy.plan.always["GET"] = Fault.BUSY_503
    with pytest.raises(TransientError, match="LAKE_URL"):
        S3Store(lake_settings(proxy.port, retry_seconds=60.0)).get("bucket", "x")
    assert clock.now >= 60


def test_full_store_is_told_at_once(store: S3Store, behind: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    proxy.plan.always["PUT"] = Fault.FULL_507
    with pytest.raises(TransientError, match="full"):
        store.put(bucket, "x", DATA, expected=None)
    assert proxy.plan.count("PUT") == 1
    assert behind.get(bucket, "x") is None


def test_refused_rights_need_a_person_and_no_second_try(store: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    proxy.plan.always.update(PUT=Fault.DENIED_403, GET=Fault.DENIED_403)
    with pytest.raises(ConfigurationError, match="LAKE_ACCESS_KEY"):
        store.put(bucket, "x", DATA, expected=None)
    with pytest.raises(ConfigurationError, match="LAKE_ACCESS_KEY"):
        store.get(bucket, "x")
    assert (proxy.plan.count("PUT"), proxy.plan.count("GET")) == (1, 1)


@pytest.mark.parametrize(
    "ignored", [("If-Match",), ("If-None-Match",), ("If-Match", "If-None-Match")], ids=["match", "none-match", "both"]
)
def test_store_that_ignores_a_condition_is_refused(
    store: S3Store, proxy: FaultyProxy, bucket: str, ignored: tuple[str, ...]
) -> None:
    proxy.plan.strip_conditions = ignored
    with pytest.raises(ConfigurationError, match="ignores If-"):
        store.probe(bucket)


def test_probe_passes_in_spite_of_faults_that_pass(store: S3Store, proxy: FaultyProxy, bucket: str) -> None:
    proxy.plan.inject("PUT", Fault.LOST_ANSWER, Fault.BUSY_503, Fault.LOST_ANSWER, Fault.RESET)
    store.probe(bucket)


def test_store_that_is_down_is_transient_and_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        store = S3Store(lake_settings(taken.getsockname()[1], TIMEOUT_SECONDS, RETRY_SECONDS))
        with pytest.raises(TransientError, match="LAKE_URL"):
            store.get("stock-data", "x")
