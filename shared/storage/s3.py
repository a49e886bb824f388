"""The lake in a store that speaks S3: conditional single-part writes that know whether they took effect."""

import hashlib
import io
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from minio import Minio
from minio.error import S3Error
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential
from urllib3 import BaseHTTPResponse

from shared.errors import ConfigurationError
from shared.metrics.lake import RETRIES
from shared.ports import ObjectInfo, PreconditionFailedError, StoredObject
from shared.settings import LakeSettings
from shared.storage.names import PROBE_NAME, check_bucket, check_name, check_prefix
from shared.storage.probe import prove_conditions
from shared.storage.s3_errors import Errors, TryAgainError, meaning_of
from shared.storage.s3_http import ConditionalPool, only_if

_TOKEN: Final = "x-amz-meta-write-token"  # noqa: S105  names a header
_DIGEST: Final = "x-amz-meta-blake2b"
_LARGEST: Final = 5 * 1024**3  # S3's limit of a single part; the etag of several is no use as a condition
_PAGE: Final = 1000
_LONGEST_PAUSE: Final = 3.0
_CHUNK: Final = 256 * 1024

T = TypeVar("T")


class S3Store:
    """An ObjectStore on S3; thread-safe.

    Each write carries a token of its own in the object's metadata. A write that is answered 412, after a first try
    whose answer was lost, reads the token back: if it is its own, the first try took effect.

    Args:
        settings: LAKE_URL `s3://host:port` (or `s3s://`, TLS), keys, region and bounds. One call takes at most
            lake_retry_seconds plus the time of one last request.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """

    def __init__(self, settings: LakeSettings) -> None:
        self._url = settings.lake_url
        self._timeout = settings.lake_timeout_seconds
        self._retry_seconds = settings.lake_retry_seconds
        self._client = _client(settings)

    def ensure_bucket(self, bucket: str) -> bool:
        return self._retried(f"make {check_bucket(bucket)}", lambda: self._make(bucket))

    def get(self, bucket: str, name: str) -> StoredObject | None:
        action = f"read {check_bucket(bucket)}/{check_name(name)}"
        return self._retried(action, lambda: self._read(bucket, name))

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        action = f"write {check_bucket(bucket)}/{check_name(name)}"
        metadata = {_TOKEN: uuid.uuid4().hex, _DIGEST: _digest(data)}
        return self._retried(action, lambda: self._write(bucket, name, data, expected, metadata))

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        action = f"list {check_bucket(bucket)}/{check_prefix(prefix)}"
        page = self._retried(action, partial(self._page, bucket, prefix, None))
        while page:
            yield from (info for info in page if info.name != PROBE_NAME)
            page = self._retried(action, partial(self._page, bucket, prefix, page[-1].name))

    def probe(self, bucket: str) -> None:
        prove_conditions(self, bucket, f"the store at {self._url} (LAKE_URL)")

    def _retried(self, action: str, call: Callable[[], T]) -> T:
        """Return what `call` returns, repeating it within the bounds while its error may pass."""

        def attempt() -> T:
            try:
                return call()
            except Errors as error:
                raise meaning_of(error, action, self._url) from error

        retrying = Retrying(
            retry=retry_if_exception_type(TryAgainError),
            stop=stop_after_delay(self._retry_seconds),
            wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE),
            reraise=True,
            before_sleep=lambda _: RETRIES.inc(),
        )
        return retrying(attempt)

    def _make(self, bucket: str) -> bool:
        if self._client.bucket_exists(bucket):
            return False
        try:
            self._client.make_bucket(bucket)
        except S3Error as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise
            return False
        return True

    def _read(self, bucket: str, name: str) -> StoredObject | None:
        try:
            response = self._client.get_object(bucket, name)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            return None
        data = self._body(response)
        if response.headers.get(_DIGEST, _digest(data)) != _digest(data):
            raise TryAgainError(f"{bucket}/{name} came from {self._url} with other bytes than were written.")
        return StoredObject(data, _etag_in(response.headers))

    def _body(self, response: BaseHTTPResponse) -> bytes:
        """Return the whole body; a server that trickles is given the time of one request."""
        deadline = time.monotonic() + self._timeout
        body = bytearray()
        try:
            while chunk := response.read1(_CHUNK):
                body += chunk
                if time.monotonic() > deadline:
                    response.close()
                    raise TryAgainError(f"{self._url} did not send an object within LAKE_TIMEOUT_SECONDS.")
        finally:
            response.release_conn()
        return bytes(body)

    def _write(self, bucket: str, name: str, data: bytes, expected: str | None, metadata: Mapping[str, str]) -> str:
        try:
            with only_if(expected):
                done = self._client.put_object(
                    bucket, name, io.BytesIO(data), len(data), metadata=dict(metadata), part_size=_LARGEST
                )
        except S3Error as error:
            if error.code not in ("PreconditionFailed", "NoSuchKey"):
                raise
        else:
            return done.etag or ""
        return self._own_write(bucket, name, metadata[_TOKEN])

    def _own_write(self, bucket: str, name: str, token: str) -> str:
        """Return the etag if the object there is our write, whose answer was lost."""
        try:
            there = self._client.stat_object(bucket, name)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
        else:
            if there.metadata and there.metadata.get(_TOKEN) == token and there.etag:
                return there.etag
        raise PreconditionFailedError(f"{bucket}/{name} was written by somebody else")

    def _page(self, bucket: str, prefix: str, after: str | None) -> Sequence[ObjectInfo]:
        found = self._client.list_objects(bucket, prefix=prefix or None, recursive=True, start_after=after)
        page = []
        for item in itertools.islice(found, _PAGE):
            assert item.object_name and item.size is not None and item.last_modified  # noqa: S101  every key has them
            page.append(ObjectInfo(item.object_name, item.size, item.last_modified))
        return page


def _client(settings: LakeSettings) -> Minio:
    scheme, _, endpoint = settings.lake_url.partition("://")
    if not (settings.lake_access_key and settings.lake_secret_key):
        raise ConfigurationError("LAKE_ACCESS_KEY, LAKE_SECRET_KEY: LAKE_URL is a store with keys. Set both.")
    try:
        return Minio(
            endpoint.rstrip("/"),
            access_key=settings.lake_access_key,
            secret_key=settings.lake_secret_key.get_secret_value(),
            secure=scheme == "s3s",
            region=settings.lake_region,
            http_client=ConditionalPool(settings.lake_timeout_seconds),
        )
    except ValueError as error:
        raise ConfigurationError(f"LAKE_URL: {settings.lake_url!r}: {error}. Use s3://host:port.") from error


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _etag_in(headers: Mapping[str, str]) -> str:
    return headers.get("etag", "").strip('"')
