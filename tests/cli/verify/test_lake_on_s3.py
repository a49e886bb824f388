"""The lake on S3, read without our storage code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.verify.lake_objects import LakeFiles, UnreadableError
from shared.errors import TransientError
from shared.settings import LakeSettings
from shared.storage.lake import open_store
from shared.testing.s3_server import lake_settings, s3_server
from tests.cli.conftest import Demo


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


def test_store_that_is_away_is_told_in_one_line(tmp_path: Path) -> None:
    gone = LakeSettings.load(lake_url="s3://127.0.0.1:9", lake_access_key="a", lake_secret_key="b")
    with pytest.raises(TransientError, match="LAKE_URL"):
        LakeFiles(gone).objects("stock-data")
