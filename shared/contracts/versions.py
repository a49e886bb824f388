"""Merging versions of facts as sets: any order, split, repetition or interleaving of batches gives the same frame.

A version's identity is its natural key, its source and all that its message says; it keeps the least `ingested_at`.
From the set of versions follow `known_at` (from when each may be used) and `current` (which one wins), by rules that
look at nothing but the set, so both are made anew by every union.
"""

from typing import Final

import polars as pl

from shared.contracts import open_columns
from shared.contracts.bars import INSTANT
from shared.contracts.content_hash import content_hash
from shared.contracts.lake import KNOWN_AT, LAKE_COLUMNS, SOURCE_RANK, UNLISTED_RANK, Dataset
from shared.errors import ContractError

INGESTED_AT: Final = "ingested_at"
CURRENT: Final = "current"
# Columns of the work in between; a message's columns never begin with a dot.
_STATED: Final = ".stated"
_RULED: Final = ".ruled"
_RANK: Final = ".rank"
_HASH: Final = ".hash"


def union_versions(dataset: Dataset, *frames: pl.DataFrame) -> pl.DataFrame:
    """Return the union of the versions in `frames`, pure.

    A known time that was observed counts as stated. One that is a rule's result (basis not in `dataset.observed`) can
    be true of one version only: of the versions of one fact and source with the same stated time, the one with the
    least (ingested_at, content hash) keeps it, and each other one became known when it was first ingested, but not
    before the stated time. The version with the greatest (known_at, source rank, content hash) of a fact is current.

    Args:
        dataset: Whose facts these are.
        frames: Message columns and `ingested_at` (Kafka's time, UTC, microseconds), from Kafka or from the lake; what
            the lake has besides is recognised. A message column that a frame does not have is null there.

    Returns:
        Columns of `dataset.lake_columns`, the open ones (sorted by name) after the message's; sorted by natural key,
        known_at, source and content hash.

    Raises:
        ContractError: a frame lacks a column that cannot be null, has one of another type or an unknown one, or a NaN.
    """
    key = list(dataset.natural_key)
    # Almost every fact has one version: only the others need the work.
    single, repeated = _part(_gather(dataset, frames), key)
    others = _part(_least_ingested(repeated), key) if repeated.height else (repeated, repeated)
    single = pl.concat([single, others[0].select(single.columns)]).with_columns(
        pl.col(_STATED).alias(KNOWN_AT), pl.lit(True).alias(CURRENT), pl.lit(b"").alias(_HASH)
    )
    if others[1].is_empty():
        return _as_lake(dataset, single.sort(key))
    several = _flag_current(dataset, _derive_known(dataset, others[1]))
    united = pl.concat([single, several.select(single.columns)])
    return _as_lake(dataset, united.sort([*key, KNOWN_AT, "source", _HASH]))


def strongest_last(dataset: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    """Return lake rows sorted by natural key and, of one fact, as they win: known_at, source rank, content hash.

    So of the rows with known_at up to an instant, the last one of a fact is what was current then. `ingested_at` and
    `current` may be missing and do not count.
    """
    ranked = rows.with_columns(_stated(dataset, rows.schema), _rank())
    rivals = [*dataset.natural_key, KNOWN_AT, _RANK]
    return _with_hash(dataset, ranked, rivals).sort([*rivals, _HASH]).drop(_STATED, _RANK, _HASH)


def _part(versions: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows whose natural key occurs once, and the others."""
    repeated = versions.select(pl.struct(key).is_duplicated()).to_series()
    if not repeated.any():
        return versions, versions.clear()
    return versions.filter(~repeated), versions.filter(repeated)


def _gather(dataset: Dataset, frames: tuple[pl.DataFrame, ...]) -> pl.DataFrame:
    """Return all rows with one set of columns: identity columns (stated time as _STATED), then `ingested_at`."""
    extra = open_columns.join_types(dataset, frames)
    gathered = pl.concat([_identity(dataset, frame, extra) for frame in frames] or [_empty(dataset)])
    floats = pl.col(pl.Float64)
    if gathered.select(pl.any_horizontal(floats.is_nan().any())).item():
        raise ContractError(f"{dataset.bucket}: a number is NaN; a missing one must be null. Mend what wrote it.")
    return gathered.with_columns(pl.when(floats == 0.0).then(0.0).otherwise(floats).name.keep())  # never minus zero


def _identity(dataset: Dataset, frame: pl.DataFrame, extra: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return `frame` with the identity columns in a fixed order and types, and `ingested_at`."""
    present = frame.schema
    needed = {*dataset.natural_key, dataset.stated_known, dataset.basis, "source", INGESTED_AT}
    if missing := sorted(needed - present.keys()):
        raise ContractError(f"{dataset.bucket}: columns are missing: {', '.join(missing)}. Mend what wrote them.")
    unknown = sorted(present.keys() - dataset.lake_columns.keys())
    if unknown and not dataset.open_columns:
        raise ContractError(
            f"{dataset.bucket}: columns are not of this version's contract: {', '.join(unknown)}. "
            "A newer version wrote them: run that one."
        )
    message = [_column(present, name, kind) for name, kind in dataset.columns.items() if name != dataset.stated_known]
    stamped = _column(present, INGESTED_AT, INSTANT)
    try:
        return frame.select(*message, *open_columns.cast(frame, extra), _stated(dataset, present), stamped)
    except pl.exceptions.PolarsError as error:
        what = str(error).partition("\n")[0]
        raise ContractError(f"{dataset.bucket}: a column has another type: {what}. Mend what wrote it.") from error


def _column(present: pl.Schema, name: str, kind: pl.DataType) -> pl.Expr:
    """Return the column in its type; null where the frame has none."""
    if name not in present:
        return pl.lit(None, kind).alias(name)
    return pl.col(name) if present[name] == kind else pl.col(name).cast(kind)


def _stated(dataset: Dataset, present: pl.Schema) -> pl.Expr:
    """Return the known time as the message states it: as such, from the lake's own column, or by the nominal rule."""
    if dataset.nominal_after is not None:
        column, after = dataset.nominal_after
        observed = pl.col(dataset.basis).is_in(list(dataset.observed))
        return pl.when(observed).then(dataset.stated_known).otherwise(pl.col(column) + after).alias(_STATED)
    stated = dataset.stated if dataset.stated in present else dataset.stated_known
    return pl.col(stated or dataset.stated_known).cast(INSTANT).alias(_STATED)


def _empty(dataset: Dataset) -> pl.DataFrame:
    kinds = {name: kind for name, kind in dataset.columns.items() if name != dataset.stated_known}
    return pl.DataFrame(schema={**kinds, _STATED: INSTANT, INGESTED_AT: INSTANT})


def _least_ingested(versions: pl.DataFrame) -> pl.DataFrame:
    """Return each version once, with its least `ingested_at`."""
    identity = [name for name in versions.columns if name != INGESTED_AT]
    return versions.group_by(identity).agg(pl.col(INGESTED_AT).min())


def _derive_known(dataset: Dataset, versions: pl.DataFrame) -> pl.DataFrame:
    """Add `known_at`."""
    ruled = (~pl.col(dataset.basis).is_in(list(dataset.observed))).alias(_RULED)
    rivals = [*dataset.natural_key, "source", _STATED, _RULED]
    ranked = _with_hash(dataset, versions.with_columns(ruled), [*rivals, INGESTED_AT]).sort(INGESTED_AT, _HASH)
    keeps = ~pl.col(_RULED) | pl.struct(rivals).is_first_distinct()
    late = pl.max_horizontal(_STATED, INGESTED_AT)
    return ranked.with_columns(pl.when(keeps).then(_STATED).otherwise(late).alias(KNOWN_AT)).drop(_RULED, _HASH)


def _flag_current(dataset: Dataset, versions: pl.DataFrame) -> pl.DataFrame:
    """Add `current`, and _HASH where known time and rank leave the order open."""
    rivals = [*dataset.natural_key, KNOWN_AT, _RANK]
    ranked = _with_hash(dataset, versions.with_columns(_rank()), rivals).sort(KNOWN_AT, _RANK, _HASH)
    return ranked.with_columns(pl.struct(dataset.natural_key).is_last_distinct().alias(CURRENT)).drop(_RANK)


def _rank() -> pl.Expr:
    return pl.col("source").replace_strict(SOURCE_RANK, default=UNLISTED_RANK, return_dtype=pl.Int32).alias(_RANK)


def _with_hash(dataset: Dataset, versions: pl.DataFrame, rivals: list[str]) -> pl.DataFrame:
    """Add _HASH, the content hash of rows that `rivals` do not tell apart; empty for the others, to be fast."""
    told_apart, tied = _part(versions, rivals)
    besides = {INGESTED_AT, KNOWN_AT, CURRENT, dataset.stated_known, dataset.stated, _RULED, _RANK}
    content = [c for c in versions.columns if c not in besides]
    digests = content_hash(tied.select(sorted(content)))
    return pl.concat([tied.with_columns(digests.alias(_HASH)), told_apart.with_columns(pl.lit(b"").alias(_HASH))])


def _as_lake(dataset: Dataset, united: pl.DataFrame) -> pl.DataFrame:
    """Return the lake's columns, in order."""
    if dataset.stated is not None:
        united = united.with_columns(pl.col(_STATED).alias(dataset.stated))
    opened = sorted(set(united.columns) - dataset.lake_columns.keys() - {_STATED, _HASH})
    own = [*LAKE_COLUMNS, KNOWN_AT, dataset.stated]
    tail = [name for name in dataset.lake_columns if name in own and name not in dataset.columns]
    return united.select([*dataset.columns, *opened, *tail])
