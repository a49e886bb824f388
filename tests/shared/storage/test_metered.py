"""What the lake's store tells Prometheus."""

from pathlib import Path

import pytest

from infra.embedded.ports import free_port
from shared.errors import TransientError
from shared.ports import PreconditionFailedError
from shared.settings import LakeSettings
from shared.storage.folder import FolderStore
from shared.storage.lake import open_store
from shared.storage.metered import MeteredStore
from tests.shared.metrics.reading import Change


def test_calls_objects_bytes_and_conflicts_are_counted(tmp_path: Path) -> None:
    store, change = MeteredStore(FolderStore(tmp_path)), Change()
    store.ensure_bucket("bucket")
    etag = store.put("bucket", "one", b"12345", expected=None)
    store.put("bucket", "one", b"123", expected=etag)
    with pytest.raises(PreconditionFailedError):
        store.put("bucket", "one", b"1", expected=etag)
    assert store.get("bucket", "none") is None
    found = store.get("bucket", "one")
    assert found is not None
    assert found.data == b"123"
    assert [info.name for info in store.list("bucket")] == ["one"]
    assert change.of("lake_written_objects_total", bucket="bucket") == 2
    assert change.of("lake_written_bytes_total", bucket="bucket") == 8
    assert change.of("lake_read_bytes_total", bucket="bucket") == 3
    assert change.of("lake_conflicts_total", bucket="bucket") == 1
    assert change.of("lake_request_seconds_count", operation="put") == 2
    assert change.of("lake_request_seconds_count", operation="get") == 2


def test_store_that_does_not_answer_counts_retries_and_failures() -> None:
    url, change = f"s3://127.0.0.1:{free_port()}", Change()
    keys = {"lake_access_key": "key", "lake_secret_key": "secret"}
    store = open_store(LakeSettings.load(lake_url=url, lake_timeout_seconds=0.5, lake_retry_seconds=1.0, **keys))
    with pytest.raises(TransientError):
        store.get("bucket", "one")
    assert change.of("lake_failures_total", operation="get") == 1
    assert change.of("lake_retries_total") >= 1
    assert change.of("lake_request_seconds_count", operation="get") == 0
