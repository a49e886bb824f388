"""Makes a feature set's rows anew from the lake: for a catalogue that has changed, or for tables that were lost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl
from sqlalchemy import Connection, Engine, text

from shared.clock import Clock
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import FEATURE_SET, NAMES, START_UP_WEEKS
from shared.features.compute import FeatureEngine
from shared.features.context import Context
from shared.features.revisions import week_revisions
from shared.ports import NoProgress, ObjectStore, Progress
from shared.storage.feature_store import Batch, FeatureStore
from shared.storage.feature_tables import activate, ensure_feature_set
from shared.storage.lake_bars import LakeBars, LakeContext, bars_of_weeks
from shared.storage.offsets import SourcePartition
from shared.storage.postgres import transaction

WEEKS_AT_ONCE: Final = 8
_LAKE: Final = SourcePartition("lake", "lake", 0)
# An aggregator holds the row of its partition while it stores rows: so nobody stores a week at the same time.
_ALONE: Final = text("SELECT count(*) FROM (SELECT FROM source_offsets ORDER BY topic_id, partition FOR UPDATE) held")

Levels = list[list[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made: tickers and ticker-weeks looked at, rows and further revisions added."""

    tickers: int
    weeks: int
    rows: int
    revisions: int


def rebuild_features(
    engine: Engine,
    store: ObjectStore,
    clock: Clock,
    tickers: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Rebuilt:
    """Make the rows of the catalogue's feature set from all that the lake holds; rows that are there stay.

    It may run beside the aggregator, be cut short, and be done again: a row is added only where it is missing or its
    values differ. The set is not put in use: see `switch_to_catalogue`.

    Args:
        engine: A PostgreSQL that is migrated.
        store: The lake.
        clock: For `made_at`.
        tickers: Which; None: all that the lake has bars of.
        progress: Where to tell how far it is.

    Raises:
        TransientError: PostgreSQL or the lake does not answer; done again, it goes on.
        ContractError: what lies in the lake is no object of bars.
    """
    with transaction(engine) as connection:
        ensure_feature_set(connection, FEATURE_SET, NAMES)
    bars, contexts = LakeBars(store), LakeContext(store)
    features, told = FeatureStore(FEATURE_SET, NAMES), progress or NoProgress()
    chosen = bars.tickers() if tickers is None else list(tickers)
    rows = revisions = weeks = 0
    for done, ticker in enumerate(chosen):
        told.update(done, len(chosen), ticker)
        context = contexts.context(ticker, ticker.startswith(SIMULATED_PREFIX))
        for count, levels in _made(bars, ticker, context):
            weeks += count
            added, revised = _store(engine, features, clock, levels)
            rows, revisions = rows + added, revisions + revised
    told.update(len(chosen), len(chosen), "")
    return Rebuilt(len(chosen), weeks, rows, revisions)


def switch_to_catalogue(connection: Connection) -> None:
    """Put the catalogue's feature set in use, in place of the one before it.

    Raises:
        ConfigurationError: it is not registered: rebuild it first.
    """
    activate(connection, FEATURE_SET)


def _made(lake: LakeBars, ticker: str, context: Context) -> Iterator[tuple[int, Levels]]:
    """Yield the rows of some weeks at a time: how many weeks, and frames to be appended one after the other."""
    engine, known = FeatureEngine(ticker), dict[IsoWeek, pl.DataFrame | None]()
    weeks, levels, taken = lake.weeks(ticker), Levels(), 0
    for week in weeks:
        known[week] = lake.week(ticker, week)
        anchor = week.start - timedelta(weeks=START_UP_WEEKS)
        known = {one: frame for one, frame in known.items() if one.start >= anchor}
        _put(levels, week_revisions(engine, bars_of_weeks(known), context, week))
        taken += 1
        if taken == WEEKS_AT_ONCE or week == weeks[-1]:
            yield taken, levels
            levels, taken = Levels(), 0


def _put(levels: Levels, frames: Iterable[pl.DataFrame]) -> None:
    for level, frame in enumerate(frames):
        if level == len(levels):
            levels.append([])
        levels[level].append(frame)


def _store(engine: Engine, features: FeatureStore, clock: Clock, levels: Levels) -> tuple[int, int]:
    added = revised = 0
    if levels:
        with transaction(engine) as connection:
            connection.execute(_ALONE)
            batch = features.open_batch(connection, Batch(_LAKE, 0, 0, 0, clock.now(), "rebuild"))
            for frames in levels:
                done = features.append(connection, pl.concat(frames), batch)
                added, revised = added + done.added, revised + done.revised
    return added, revised
