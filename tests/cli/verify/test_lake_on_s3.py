"""The lake on S3, read without our storage code."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.verify.lake_bars import read_object
from cli.verify.lake_objects import LakeFiles, Listed, UnreadableError
from shared.errors import TransientError
from shared.settings import LakeSettings
from shared.storage.lake import open_store
from shared.testing.faults import Fault
from shared.testing.faulty_proxy import faulty_proxy
from shared.testing.s3_server import lake_settings, s3_server
from tests.cli.conftest import Demo


def parquet_bytes() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"ticker": ["AAA"] * 3}), written)
    return written.getvalue()


def emptied(data: bytes) -> bytes:
    return data[:0]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def spoilt_page(data: bytes) -> bytes:
    return data[:4] + bytes(byte ^ 0x5A for byte in data[4:40]) + data[40:]


def spoilt_footer(data: bytes) -> bytes:
    return data[:-48] + b"\xff" * 40 + data[-8:]


@pytest.fixture(scope="module")
def s3() -> Iterator[LakeSettings]:
    with s3_server() as port:
        yield lake_settings(port)


def test_objects_of_a_bucket_are_listed_and_read_over_s3(demo: Demo, s3: LakeSettings) -> None:
    store = open_store(s3)
    store.ensure_bucket("stock-data")
    folder = demo.addresses.home.lake / "stock-data"
    paths = sorted((folder / "AAA").rglob("*.parquet")) + sorted((folder / "CCC").rglob("*.parquet"))
    for path in paths:
        store.put("stock-data", str(path.relative_to(folder)), path.read_bytes(), expected=None)

    lake = LakeFiles(s3)

    assert "stock-data" in lake.buckets()
    listed = lake.objects("stock-data")
    assert [one.name for one in listed] == [str(path.relative_to(folder)) for path in paths]
    assert [one.size for one in listed] == [path.stat().st_size for path in paths]
    assert [one.name for one in lake.objects("stock-data", "CCC/")] == [listed[1].name]
    assert lake.table(listed[0]).num_rows == lake.row_count(listed[0]) == 200


def test_object_that_is_no_parquet_is_unreadable_over_s3(s3: LakeSettings) -> None:
    store = open_store(s3)
    store.ensure_bucket("macro-data")
    store.put("macro-data", "X/2026/X_2026.parquet", b"PAR1 and no more", expected=None)
    lake = LakeFiles(s3)
    (listed,) = lake.objects("macro-data")
    with pytest.raises(UnreadableError):
        lake.table(listed)


@pytest.mark.parametrize(("fault", "requests"), [(Fault.NO_ANSWER, 1), (Fault.RESET, None), (Fault.TRUNCATED_BODY, 1)])
def test_object_that_does_not_come_is_an_outage_and_no_stray(
    s3: LakeSettings, fault: Fault, requests: int | None
) -> None:
    name = f"{fault.name}/2026/01/{fault.name}_2026-W02.parquet"
    store = open_store(s3)
    store.ensure_bucket("faults")
    store.put("faults", name, parquet_bytes(), expected=None)
    with faulty_proxy(int(s3.lake_url.rpartition(":")[2])) as proxy:
        lake = LakeFiles(lake_settings(proxy.port, timeout_seconds=0.5, retry_seconds=0.5))
        (listed,) = lake.objects("faults", f"{fault.name}/")
        proxy.plan.always, before = {"GET": fault}, proxy.plan.count("GET")
        with pytest.raises(TransientError, match=r"cannot read faults/.* LAKE_URL"):
            read_object(lake, listed)
        assert requests in (None, proxy.plan.count("GET") - before), "tried as often as the settings have room for"
        with pytest.raises(TransientError):
            lake.row_count(listed)
        proxy.plan.always = {}
        assert lake.row_count(listed) == lake.table(listed).num_rows == 3


def test_object_that_went_away_since_it_was_listed_is_no_stray(tmp_path: Path) -> None:
    lake = LakeFiles(LakeSettings.load(lake_url=tmp_path.as_uri()))
    with pytest.raises(TransientError, match="gone"):
        lake.table(Listed("stock-data", "AAA/2026/01/AAA_2026-W02.parquet", 9))


@pytest.mark.parametrize("spoil", [emptied, cut, spoilt_page, spoilt_footer])
def test_object_whose_bytes_are_wrong_is_unreadable(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    (tmp_path / "stock-data").mkdir()
    (tmp_path / "stock-data" / "x.parquet").write_bytes(spoil(parquet_bytes()))
    lake = LakeFiles(LakeSettings.load(lake_url=tmp_path.as_uri()))
    (listed,) = lake.objects("stock-data")
    with pytest.raises(UnreadableError):
        lake.table(listed)


def test_store_that_is_away_is_told_in_one_line(tmp_path: Path) -> None:
    gone = LakeSettings.load(lake_url="s3://127.0.0.1:9", lake_access_key="a", lake_secret_key="b")
    with pytest.raises(TransientError, match="LAKE_URL"):
        LakeFiles(gone).objects("stock-data")
