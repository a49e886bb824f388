"""An ObjectStore that tells Prometheus what is done with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from shared.errors import TransientError
from shared.metrics import lake
from shared.ports import ObjectInfo, ObjectStore, PreconditionFailedError, StoredObject


class MeteredStore:
    """An ObjectStore around another one: the same, counted and timed.

    Args:
        inner: The store that does it.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner

    def ensure_bucket(self, bucket: str) -> bool:
        return self.inner.ensure_bucket(bucket)

    def get(self, bucket: str, name: str) -> StoredObject | None:
        with _measured("get"):
            stored = self.inner.get(bucket, name)
        if stored is not None:
            lake.READ_BYTES.labels(bucket).inc(len(stored.data))
        return stored

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        try:
            with _measured("put"):
                etag = self.inner.put(bucket, name, data, expected=expected)
        except PreconditionFailedError:
            lake.CONFLICTS.labels(bucket).inc()
            raise
        lake.WRITTEN_OBJECTS.labels(bucket).inc()
        lake.WRITTEN_BYTES.labels(bucket).inc(len(data))
        return etag

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        return self.inner.list(bucket, prefix)

    def probe(self, bucket: str) -> None:
        self.inner.probe(bucket)


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    """Time a call that is answered; count one that is not."""
    begun = perf_counter()
    try:
        yield
    except TransientError:
        lake.FAILURES.labels(operation).inc()
        raise
    lake.REQUEST_SECONDS.labels(operation).observe(perf_counter() - begun)
