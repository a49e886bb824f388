"""Reads a ticker's bars from the lake by ISO week: every version, as the features are made from."""

import io
from collections.abc import Mapping

import polars as pl

from shared.contracts.lake import STOCK, Dataset, stock_object
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.ports import ObjectStore


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


def bars_of_weeks(weeks: Mapping[IsoWeek, pl.DataFrame | None]) -> pl.DataFrame:
    """Return the bars of several weeks in one frame, lake columns."""
    frames = [frame for _, frame in sorted(weeks.items()) if frame is not None]
    return pl.concat(frames, rechunk=True) if frames else pl.DataFrame(schema=STOCK.lake_columns)


def _read(store: ObjectStore, dataset: Dataset, name: str) -> pl.DataFrame | None:
    stored = store.get(dataset.bucket, name)
    if stored is None:
        return None
    try:
        return pl.read_parquet(io.BytesIO(stored.data), use_pyarrow=False)
    except pl.exceptions.PolarsError as error:
        what = str(error).partition("\n")[0]
        raise ContractError(f"{dataset.bucket}/{name} is no Parquet file: {what}. Move it out of the lake.") from error
