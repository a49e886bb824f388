"""A lake in memory, for tests of what stands on an ObjectStore; it passes the conformance suite of the real ones."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.errors import ConfigurationError
from shared.ports import ObjectInfo, PreconditionFailedError, StoredObject
from shared.storage.names import PROBE_NAME, check_bucket, check_name, check_prefix
from shared.storage.probe import prove_conditions


@dataclass(frozen=True, slots=True)
class _Kept:
    stored: StoredObject
    modified: datetime


class MemoryStore:
    """An ObjectStore in a dictionary; thread-safe.

    Attributes:
        outage: While set, every call raises it: an outage of the store.
        writes: How many writes took effect.
    """

    def __init__(self) -> None:
        self.outage: Exception | None = None
        self.writes = 0
        self._lock = threading.Lock()
        self._buckets: dict[str, dict[str, _Kept]] = {}

    def ensure_bucket(self, bucket: str) -> bool:
        self._fail()
        with self._lock:
            made = check_bucket(bucket) not in self._buckets
            self._buckets.setdefault(bucket, {})
        return made

    def get(self, bucket: str, name: str) -> StoredObject | None:
        self._fail()
        with self._lock:
            kept = self._bucket(bucket).get(check_name(name))
        return kept.stored if kept else None

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        self._fail()
        new = StoredObject(bytes(data), hashlib.blake2b(data, digest_size=16).hexdigest())
        with self._lock:
            kept = self._bucket(bucket).get(check_name(name))
            if (kept.stored.etag if kept else None) != expected:
                raise PreconditionFailedError(f"{bucket}/{name} was written by somebody else")
            self._buckets[bucket][name] = _Kept(new, datetime.now(UTC))
            self.writes += 1
        return new.etag

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        self._fail()
        check_prefix(prefix)
        with self._lock:
            kept = sorted(self._bucket(bucket).items())
        for name, one in kept:
            if name.startswith(prefix) and name != PROBE_NAME:
                yield ObjectInfo(name, len(one.stored.data), one.modified)

    def probe(self, bucket: str) -> None:
        prove_conditions(self, bucket, "the store in memory")

    def _bucket(self, bucket: str) -> dict[str, _Kept]:
        if check_bucket(bucket) not in self._buckets:
            raise ConfigurationError(f"there is no bucket {bucket} in memory; call ensure_bucket first.")
        return self._buckets[bucket]

    def _fail(self) -> None:
        if self.outage:
            raise self.outage
