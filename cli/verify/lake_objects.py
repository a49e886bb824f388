"""The lake as any reader sees it: listed and read by pyarrow alone, in a folder or over S3."""

import math
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from shared.errors import ConfigurationError, TransientError
from shared.settings import LakeSettings
from shared.storage.lake_url import folder_of

INTERNAL: Final = "."
"""What begins with it in a bucket belongs to the store itself (locks, probes); no reader's glob sees it."""
_CONNECT_SECONDS: Final = 5.0


class UnreadableError(Exception):
    """The object is no whole Parquet file; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of the lake: `name` in its bucket, size in bytes."""

    bucket: str
    name: str
    size: int


class LakeFiles:
    """The lake's objects.

    Args:
        settings: Where the lake lies.
    """

    def __init__(self, settings: LakeSettings) -> None:
        self._files, self._root = _opened(settings)

    def buckets(self) -> list[str]:
        """Return the buckets that are there."""
        top = [f for f in self._infos(self._root, recursive=False) if f.type == fs.FileType.Directory]
        return sorted(f.base_name for f in top)

    def objects(self, bucket: str, prefix: str = "") -> list[Listed]:
        """Return the bucket's objects whose name begins with `prefix`, sorted by name."""
        base = self._path(bucket)
        folder = prefix.rpartition("/")[0]
        infos = self._infos(f"{base}/{folder}" if folder else base, recursive=True)
        found = [
            Listed(bucket, info.path[len(base) + 1 :], info.size) for info in infos if info.type == fs.FileType.File
        ]
        return sorted(
            (o for o in found if o.name.startswith(prefix) and not o.name.startswith(INTERNAL)),
            key=lambda o: o.name,
        )

    def table(self, listed: Listed, columns: tuple[str, ...] | None = None) -> pa.Table:
        """Return an object as a table; of `columns`, those that it has.

        Raises:
            UnreadableError: it is no whole Parquet file.
            TransientError: the lake does not give it.
        """
        content = self._content(listed)
        try:
            parquet = pq.ParquetFile(pa.BufferReader(content))
            there = set(parquet.schema_arrow.names)
            return parquet.read(columns=[c for c in columns if c in there] if columns else None)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableError(_line(error)) from error

    def row_count(self, listed: Listed) -> int:
        """Return how many rows an object has, by its footer.

        Raises:
            UnreadableError: it is no whole Parquet file.
            TransientError: the lake does not give it.
        """
        content = self._content(listed)
        try:
            return int(pq.read_metadata(pa.BufferReader(content)).num_rows)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableError(_line(error)) from error

    def _content(self, listed: Listed) -> pa.Buffer:
        """Return an object's bytes. pyarrow tells of bad content as of a bad connection, by OSError: here, of that.

        Raises:
            TransientError: the lake does not give it.
        """
        path = self._path(listed.bucket, listed.name)
        try:
            with self._files.open_input_file(path) as source:
                return source.read_buffer()
        except FileNotFoundError as error:
            raise TransientError(f"{path} was in the lake and is gone: somebody moves objects. Try again.") from error
        except OSError as error:
            raise TransientError(f"cannot read {path}: {_line(error)}. Is the lake up and LAKE_URL right?") from error

    def _path(self, *parts: str) -> str:
        return "/".join(part for part in (self._root, *parts) if part)

    def _infos(self, path: str, recursive: bool) -> list[fs.FileInfo]:
        try:
            found: list[fs.FileInfo] = self._files.get_file_info(
                fs.FileSelector(path, recursive=recursive, allow_not_found=True)
            )
        except OSError as error:
            raise TransientError(f"cannot list the lake at {path}: {_line(error)}. Check LAKE_URL.") from error
        return found


def _opened(settings: LakeSettings) -> tuple[fs.FileSystem, str]:
    folder = folder_of(settings.lake_url)
    if folder is not None:
        return fs.LocalFileSystem(), str(folder.absolute())
    parts = urlsplit(settings.lake_url)
    if parts.scheme not in ("s3", "s3s") or not parts.netloc:
        raise ConfigurationError(
            f"LAKE_URL: {settings.lake_url!r} is neither file:///folder, s3://host:port nor s3s://."
        )
    secret, timeout = settings.lake_secret_key, settings.lake_timeout_seconds
    store = fs.S3FileSystem(
        access_key=settings.lake_access_key,
        secret_key=secret.get_secret_value() if secret else None,
        endpoint_override=parts.netloc,
        scheme="https" if parts.scheme == "s3s" else "http",
        region=settings.lake_region,
        connect_timeout=min(timeout, _CONNECT_SECONDS),
        request_timeout=timeout,  # of silence; whole seconds, at least one
        retry_strategy=fs.AwsStandardS3RetryStrategy(max(1, math.ceil(settings.lake_retry_seconds / timeout))),
    )
    return store, parts.path.strip("/")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
