"""The stores that the conformance suite runs on, each an opener of further handles on the same content."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.embedded.ports import free_port
from infra.embedded.settings import resolve_home
from infra.minio import build_minio, minio_path
from shared.errors import ConfigurationError
from shared.ports import ObjectStore
from shared.settings import LakeSettings
from shared.storage.lake import open_store
from shared.testing.eventually import eventually
from shared.testing.memory_store import MemoryStore
from shared.testing.s3_server import ACCESS_KEY, SECRET_KEY, lake_settings

Opener = Callable[[], ObjectStore]
BUCKET = "stock-data"


def folder_settings(root: Path) -> LakeSettings:
    return LakeSettings.load(lake_url=f"file://{root}")


def opener_of(settings: LakeSettings) -> Opener:
    return lambda: open_store(settings)


def opener_of_memory() -> Opener:
    store = MemoryStore()
    return lambda: store


@contextmanager
def minio_server(folder: Path) -> Iterator[int]:
    """A MinIO server with its data in `folder`; yields its port, skips where it is not built."""
    cache = resolve_home().cache
    if os.environ.get("TICKERSTREAM_BUILD_MINIO") == "1":
        try:
            build_minio(cache)
        except ConfigurationError as error:
            pytest.skip(str(error))
    if not minio_path(cache).exists():
        pytest.skip("MinIO is not built: `make minio` does it, with Go 1.26")
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [str(minio_path(cache)), "server", str(folder), "--address", address, "--console-address", "127.0.0.1:0"]
    keys = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env={**os.environ, **keys}, stdout=quiet, stderr=quiet) as process:
        try:
            eventually(lambda: _answers(f"http://{address}/minio/health/ready"), failing="MinIO did not start")
            yield port
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def opener_of_s3(port: int) -> Opener:
    return opener_of(lake_settings(port))
