"""The start-up proof that a store honours both conditions of a write; else writers would lose each other's rows."""

import uuid

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from shared.errors import ConfigurationError, TransientError
from shared.ports import ObjectStore, PreconditionFailedError
from shared.storage.names import PROBE_NAME

_ATTEMPTS = 50
_PAUSE = 0.1
_NO_ETAG = "0" * 32


def prove_conditions(store: ObjectStore, bucket: str, where: str) -> None:
    """Write the probe object under both conditions, each where it holds and where it does not.

    Safe while other services probe the same bucket.

    Args:
        store: The store to prove.
        bucket: Where the probe object lies.
        where: The store's name for people, with the setting that chose it.

    Raises:
        ConfigurationError: a write passed whose condition did not hold.
        TransientError: the store refuses writes whose condition holds.
    """
    patient = retry_if_exception_type(PreconditionFailedError)  # another service probes at this moment
    try:
        Retrying(retry=patient, stop=stop_after_attempt(_ATTEMPTS), wait=wait_random(0, _PAUSE), reraise=True)(
            _replace, store, bucket
        )
    except PreconditionFailedError:
        raise TransientError(f"{where} refused {_ATTEMPTS} writes whose condition held; see the store's log.") from None
    _must_refuse(store, bucket, None, "If-None-Match", where)
    _must_refuse(store, bucket, _NO_ETAG, "If-Match", where)


def _replace(store: ObjectStore, bucket: str) -> None:
    there = store.get(bucket, PROBE_NAME)
    etag = there.etag if there else store.put(bucket, PROBE_NAME, _content(), expected=None)
    store.put(bucket, PROBE_NAME, _content(), expected=etag)


def _must_refuse(store: ObjectStore, bucket: str, expected: str | None, condition: str, where: str) -> None:
    try:
        store.put(bucket, PROBE_NAME, _content(), expected=expected)
    except PreconditionFailedError:
        return
    raise ConfigurationError(
        f"{where} ignores {condition} on writes to {bucket}, so concurrent writers would lose rows; "
        "use a store with conditional writes, such as MinIO or S3."
    )


def _content() -> bytes:
    return uuid.uuid4().bytes
