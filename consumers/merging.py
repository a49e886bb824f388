"""Adds versions to an object of the lake by compare-and-swap, so that no writer ever loses another's rows."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from consumers.lineage import Lineage
from consumers.parquet import Content, UnreadableParquetError, decode, encode
from shared.contracts.lake import Dataset
from shared.contracts.versions import union_versions
from shared.errors import ContractError, TransientError
from shared.metrics.lake import WRITTEN_ROWS
from shared.ports import ObjectStore, PreconditionFailedError, StoredObject
from shared.runtime.failpoints import failpoint

ATTEMPTS: Final = 16


class LakeWriter:
    """Merges versions into objects of one dataset; safe for threads, and for other writers of the same objects.

    Args:
        store: Where the lake lies.
        dataset: Whose objects these are.
        service: For the failpoint `<service>.inside_merge`, between reading and writing.
    """

    def __init__(self, store: ObjectStore, dataset: Dataset, service: str) -> None:
        self._store = store
        self._dataset = dataset
        self._service = service

    def merge(self, name: str, frames: Sequence[pl.DataFrame], lineage: Lineage) -> bool:
        """Make the object hold these versions, too, durable on return.

        Returns:
            Whether it had to be written: versions that it holds already change nothing.

        Raises:
            TransientError: the store is unwell, or others wrote the object all the time.
            ContractError: what lies there is no object of this dataset.
        """
        for _ in range(ATTEMPTS):
            stored = self._store.get(self._dataset.bucket, name)
            merged, before = self._merged(name, stored, frames, lineage)
            failpoint(f"{self._service}.inside_merge")
            if merged is None:
                return False
            try:
                etag = stored.etag if stored else None
                self._store.put(self._dataset.bucket, name, encode(merged), expected=etag)
            except PreconditionFailedError:
                continue
            WRITTEN_ROWS.labels(self._dataset.bucket).inc(merged.versions.height - before)
            return True
        raise TransientError(
            f"{self._dataset.bucket}/{name} was written by others {ATTEMPTS} times in a row; trying again later."
        )

    def _merged(
        self, name: str, stored: StoredObject | None, frames: Sequence[pl.DataFrame], lineage: Lineage
    ) -> tuple[Content | None, int]:
        """Return what to write, None where the stored object holds all of it; and how many rows that has."""
        if stored is None:
            return Content(union_versions(self._dataset, *frames), lineage), 0
        try:
            before = decode(stored.data)
            versions = union_versions(self._dataset, before.versions, *frames)
        except (UnreadableParquetError, ContractError) as error:
            raise ContractError(
                f"the lake's object {self._dataset.bucket}/{name} cannot be added to: {error} "
                "Move it out of the lake and replay its topic: consumers/README.md says how."
            ) from error
        if versions.schema == before.versions.schema and versions.equals(before.versions):
            return None, versions.height
        return Content(versions, before.lineage.joined(lineage)), before.versions.height
