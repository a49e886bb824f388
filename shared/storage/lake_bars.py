"""Reads a ticker's bars from the lake by ISO week: every version, as the features are made from."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import polars as pl

from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, STOCK, Dataset, actions_object, stock_object
from shared.contracts.versions import union_versions
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.features.context import Context
from shared.ports import ObjectStore

_WEEK: Final = re.compile(r"_(\d{4})-W(\d\d)\.parquet$")


class LakeBars:
    """Reads the lake.

    Args:
        store: Where it lies.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def week(self, ticker: str, week: IsoWeek) -> pl.DataFrame | None:
        """Return every version of the bars of a week, lake columns; None where there are none.

        Raises:
            TransientError: the lake does not answer.
            ContractError: what lies there is no object of bars.
        """
        return _read(self._store, STOCK, stock_object(ticker, week))

    def weeks(self, ticker: str) -> list[IsoWeek]:
        """Return the weeks that the lake has bars of, in order."""
        names = (info.name for info in self._store.list(STOCK.bucket, f"{ticker}/"))
        found = (_WEEK.search(name) for name in names)
        return sorted(IsoWeek(int(match[1]), int(match[2])) for match in found if match)

    def tickers(self) -> list[str]:
        """Return the tickers that the lake has bars of, by name."""
        return sorted({info.name.partition("/")[0] for info in self._store.list(STOCK.bucket)})


class LakeContext:
    """Reads the slow facts from the lake.

    Args:
        store: Where it lies.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._macro: dict[bool, pl.DataFrame] = {}

    def context(self, ticker: str, simulated: bool) -> Context:
        """Return what the lake has for one ticker; the macro series of its world are read once."""
        if simulated not in self._macro:
            macro = _gathered(self._store, MACRO, (info.name for info in self._store.list(MACRO.bucket)))
            self._macro[simulated] = macro.filter(pl.col("simulated") == simulated)
        filings = (info.name for info in self._store.list(FUNDAMENTALS.bucket, f"{ticker}/"))
        return Context(
            self._macro[simulated],
            _gathered(self._store, FUNDAMENTALS, filings),
            _gathered(self._store, ACTIONS, [actions_object(ticker)]),
        )


def bars_of_weeks(weeks: Mapping[IsoWeek, pl.DataFrame | None]) -> pl.DataFrame:
    """Return the bars of several weeks in one frame, lake columns."""
    frames = [frame for _, frame in sorted(weeks.items()) if frame is not None]
    return pl.concat(frames, rechunk=True) if frames else pl.DataFrame(schema=STOCK.lake_columns)


def _gathered(store: ObjectStore, dataset: Dataset, names: Iterable[str]) -> pl.DataFrame:
    return union_versions(dataset, *_frames(store, dataset, names))


def _frames(store: ObjectStore, dataset: Dataset, names: Iterable[str]) -> Iterator[pl.DataFrame]:
    for name in names:
        frame = _read(store, dataset, name)
        if frame is not None:
            yield frame


def _read(store: ObjectStore, dataset: Dataset, name: str) -> pl.DataFrame | None:
    stored = store.get(dataset.bucket, name)
    if stored is None:
        return None
    try:
        return pl.read_parquet(io.BytesIO(stored.data), use_pyarrow=False)
    except pl.exceptions.PolarsError as error:
        what = str(error).partition("\n")[0]
        raise ContractError(f"{dataset.bucket}/{name} is no Parquet file: {what}. Move it out of the lake.") from error
