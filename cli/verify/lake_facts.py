"""What features of one ticker are made from, read from the lake by pyarrow: bars and slow facts, every version."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import polars as pl

from cli.verify.lake_objects import LakeFiles, Listed, UnreadableError
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, STOCK, Dataset, actions_object, stock_object
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.features.context import Context

_WEEK: Final = re.compile(r"_(\d{4})-W(\d{2})\.parquet$")


class LakeFacts:
    """Reads bars and facts of tickers. The macro series are read once.

    Args:
        lake: The lake.
        until: Only what had reached Kafka by then; None: everything.
    """

    def __init__(self, lake: LakeFiles, until: datetime | None = None) -> None:
        self._lake = lake
        self._until = until
        self._macro: dict[bool, pl.DataFrame] = {}

    def tickers(self) -> list[str]:
        """Return the tickers that have bars."""
        return sorted({listed.name.partition("/")[0] for listed in self._lake.objects(STOCK.bucket)})

    def weeks(self, ticker: str) -> list[IsoWeek]:
        """Return the weeks of a ticker that have bars, in order."""
        names = (_WEEK.search(listed.name) for listed in self._lake.objects(STOCK.bucket, f"{ticker}/"))
        return sorted(IsoWeek(int(found[1]), int(found[2])) for found in names if found)

    def bars(self, ticker: str, weeks: Iterable[IsoWeek]) -> pl.DataFrame:
        """Return every version of a ticker's bars in those weeks that have any.

        Raises:
            ContractError: an object cannot be read.
        """
        names = {stock_object(ticker, week) for week in weeks}
        listed = (one for one in self._lake.objects(STOCK.bucket, f"{ticker}/") if one.name in names)
        return self._read(STOCK, listed)

    def context(self, ticker: str) -> Context:
        """Return the slow facts beside a ticker; a simulated one sees simulated series only, others real ones.

        Raises:
            ContractError: an object cannot be read.
        """
        filings = self._lake.objects(FUNDAMENTALS.bucket, f"{ticker}/")
        actions = [one for one in self._lake.objects(ACTIONS.bucket, ticker) if one.name == actions_object(ticker)]
        macro = self._macro_of(ticker.startswith(SIMULATED_PREFIX))
        return Context(macro, self._read(FUNDAMENTALS, filings), self._read(ACTIONS, actions))

    def _macro_of(self, simulated: bool) -> pl.DataFrame:
        if simulated not in self._macro:
            everything = self._lake.objects(MACRO.bucket)
            wanted = [one for one in everything if one.name.startswith(SIMULATED_PREFIX) == simulated]
            self._macro[simulated] = self._read(MACRO, wanted)
        return self._macro[simulated]

    def _read(self, dataset: Dataset, objects: Iterable[Listed]) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=dataset.lake_columns)]
        for one in objects:
            try:
                found = pl.from_arrow(self._lake.table(one))
            except UnreadableError as error:
                raise ContractError(
                    f"{one.bucket}/{one.name} cannot be read: {error}. See `tickerstream verify lake`."
                ) from error
            if isinstance(found, pl.DataFrame):
                frames.append(found)
        everything = pl.concat(frames, how="diagonal_relaxed")
        return everything if self._until is None else everything.filter(pl.col("ingested_at") <= self._until)
