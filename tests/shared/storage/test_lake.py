"""Which store LAKE_URL opens, and what it says when it is wrong."""

from pathlib import Path

import pytest

from cli.verify.lake_objects import LakeFiles
from shared.errors import ConfigurationError
from shared.settings import LakeSettings
from shared.storage.folder import FolderStore
from shared.storage.lake import open_store
from shared.storage.s3 import S3Store


def settings(url: str, **given: str) -> LakeSettings:
    return LakeSettings.load(lake_url=url, **given)


def test_file_url_opens_a_folder_absolute_or_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = open_store(settings(f"file://{tmp_path}/my%20lake"))
    assert isinstance(absolute.inner, FolderStore)
    absolute.ensure_bucket("stock-data")
    assert (tmp_path / "my lake" / "stock-data").is_dir()
    open_store(settings("file://.home/lake")).ensure_bucket("stock-data")
    assert (tmp_path / ".home" / "lake" / "stock-data").is_dir()


@pytest.mark.parametrize("name", ["a#b", "a?b=c", "50%20off", "my lake", "Börse"])
def test_file_url_is_one_folder_for_services_and_verifier_escaped_or_as_it_is(tmp_path: Path, name: str) -> None:
    for url in ((tmp_path / name).as_uri(), f"file://{tmp_path}/{name.replace('%', '%25')}"):
        open_store(settings(url)).ensure_bucket("stock-data")
        assert LakeFiles(settings(url)).buckets() == ["stock-data"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("url", ["s3://127.0.0.1:9000", "s3s://s3.eu-central-1.amazonaws.com", "s3://minio:9000/"])
def test_s3_url_opens_a_store_that_speaks_s3(url: str) -> None:
    assert isinstance(open_store(settings(url, lake_access_key="key", lake_secret_key="secret")).inner, S3Store)


@pytest.mark.parametrize("given", [{}, {"lake_access_key": "key"}, {"lake_secret_key": "secret"}])
def test_s3_without_both_keys_names_them(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="LAKE_ACCESS_KEY, LAKE_SECRET_KEY"):
        open_store(settings("s3://127.0.0.1:9000", **given))


@pytest.mark.parametrize(
    "url", ["", "/folder", "folder", "ftp://host", "http://host:9000", "s3:host", "file:", "file://"]
)
def test_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LAKE_URL"):
        open_store(wrong := LakeSettings.model_construct(**{**LakeSettings().model_dump(), "lake_url": url}))
    with pytest.raises(ConfigurationError, match="LAKE_URL"):
        LakeFiles(wrong)


@pytest.mark.parametrize("url", ["s3://", "s3://host:port", "s3://host:9000/bucket", "s3://user@host:9000?x=1"])
def test_s3_url_that_names_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LAKE_URL"):
        open_store(settings(url, lake_access_key="key", lake_secret_key="secret"))
