"""Cells of a file to rows of bars: what is a number, what is an instant, and why a row is refused."""

from datetime import UTC
from typing import Final

import polars as pl

from producers.files.csv_table import tidied
from producers.files.options import FileOptions
from producers.files.shape import PRICES
from producers.files.times import TimeReader
from shared.contracts.bars import BAR_COLUMNS, BAR_LENGTH, NOMINAL, fault_of_bar

SOURCE: Final = "files"
ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "row": pl.Int64(),
    **{name: BAR_COLUMNS[name] for name in ("ticker", "timestamp", *PRICES, "volume", "trade_count", "vwap")},
}
"""What is kept of a row until its week is complete. `row` is its number in the file, 1 = first after the header."""


def as_bars(rows: pl.DataFrame, adjusted: bool) -> pl.DataFrame:
    """Return rows (ROW_COLUMNS) as bars (BAR_COLUMNS): known at their close, nominally."""
    return rows.select(
        *(name for name in ROW_COLUMNS if name != "row"),
        (pl.col("timestamp") + BAR_LENGTH).alias("known_at"),
        pl.lit(NOMINAL).alias("known_basis"),
        pl.lit(SOURCE).alias("source"),
        pl.lit(None, pl.String).alias("feed"),
        pl.lit(adjusted).alias("adjusted"),
        pl.lit(False).alias("simulated"),
    ).select(BAR_COLUMNS.keys())


class RowReader:
    """Turns the batches of one file into valid rows and refused ones.

    Args:
        options: What a person told about the file.
        ticker: The file's ticker, for rows that name none.
        price_scale: What prices are divided by.
    """

    def __init__(self, options: FileOptions, ticker: str | None, price_scale: int = 1) -> None:
        self._options = options
        self._ticker = ticker
        self._scale = price_scale
        self._times = TimeReader(options.timezone)
        self._untidy = False

    def read(self, cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return (rows, refused): ROW_COLUMNS of the valid rows; `index`, `row` and `reason` of the refused ones.

        Raises:
            PoisonMessageError: the file as a whole cannot be read.
        """
        if self._untidy:
            cells = tidied(cells)
        rows, refused = self._judged(cells)
        if refused.height and not self._untidy:
            # Blanks and quotes around cells are rare: they are looked for only where something could not be read.
            better, fewer = self._judged(tidied(cells))
            if fewer.height < refused.height:
                self._untidy = True
                return better, fewer
        return rows, refused

    def _judged(self, cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        instants, why = self._times.read(_times_of(cells))
        damaged = cells["reason"] if "reason" in cells.columns else pl.Series([None], dtype=pl.String)
        typed = cells.select(
            "row",
            self._ticker_of(cells),
            instants.alias("timestamp"),
            *(self._price(cells, name) for name in PRICES),
            _number(cells, "volume").alias("volume"),
            _count(cells).alias("trade_count"),
            _positive(_number(cells, "vwap")).alias("vwap"),
        )
        early = pl.coalesce(pl.lit(damaged), pl.lit(why), *_not_numbers(cells, typed))
        faults = as_bars(typed, self._options.adjusted).select(fault_of_bar().alias("fault")).to_series()
        reasons = cells.select(pl.coalesce(early, pl.lit(faults)).alias("reason")).to_series()
        if reasons.null_count() == len(reasons):
            return self._wanted(typed), _NONE_REFUSED
        judged = typed.with_columns(reasons).with_row_index("index")
        refused = judged.filter(pl.col("reason").is_not_null()).select("index", "row", "reason")
        return self._wanted(judged.filter(pl.col("reason").is_null()).select(ROW_COLUMNS.keys())), refused

    def _price(self, cells: pl.DataFrame, name: str) -> pl.Expr | pl.Series:
        if self._scale == 1:
            return _number(cells, name).alias(name)
        numbers = cells.select(_number(cells, name).alias(name)).to_series()
        # NumPy divides; polars multiplies by the inverse of a constant, which is not the nearest price.
        scaled = pl.Series(name, numbers.to_numpy() / self._scale)
        return scaled.zip_with(numbers.is_not_null(), numbers)

    def _ticker_of(self, cells: pl.DataFrame) -> pl.Expr:
        if "ticker" not in cells.columns:
            return pl.lit(self._ticker, pl.String).alias("ticker")
        named = pl.col("ticker").cast(pl.String)
        lower = named == named.str.to_lowercase()
        return pl.when(lower).then(named.str.to_uppercase()).otherwise(named).alias("ticker")

    def _wanted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that the options ask for."""
        options = self._options
        if options.tickers:
            rows = rows.filter(pl.col("ticker").is_in(sorted(options.tickers)))
        if options.start is not None:
            rows = rows.filter(pl.col("timestamp") >= options.start.astimezone(UTC))
        if options.end is not None:
            rows = rows.filter(pl.col("timestamp") < options.end.astimezone(UTC))
        return rows


_NONE_REFUSED: Final = pl.DataFrame(schema={"index": pl.UInt32, "row": pl.Int64, "reason": pl.String})


def _times_of(cells: pl.DataFrame) -> pl.Series:
    if "time_of_day" not in cells.columns:
        return cells["time"]
    both = pl.concat_str(pl.col("time").cast(pl.String), pl.col("time_of_day").cast(pl.String), separator=" ")
    return cells.select(both.alias("time")).to_series()


def _number(cells: pl.DataFrame, name: str) -> pl.Expr:
    """Return a column as Float64; null where it is absent, empty, or no number."""
    if name not in cells.columns:
        return pl.lit(None, pl.Float64)
    return pl.col(name).cast(pl.Float64, strict=False)


def _positive(number: pl.Expr) -> pl.Expr:
    """Return a number that sources write as 0, -1 or NaN where they have none."""
    return pl.when((number > 0) & number.is_finite()).then(number)


def _count(cells: pl.DataFrame) -> pl.Expr:
    number = _number(cells, "trade_count")
    return pl.when((number >= 0) & number.is_finite()).then(number).cast(pl.Int64, strict=False)


def _not_numbers(cells: pl.DataFrame, typed: pl.DataFrame) -> list[pl.Expr]:
    """Return the reasons of those columns in which some cell is text and no number."""
    reasons = []
    for name in (*PRICES, "volume", "trade_count", "vwap"):
        if name not in cells.columns or cells.schema[name] != pl.String:
            continue
        # The optional ones are null for -1, too: look at the text itself.
        numbers = typed[name] if name in PRICES or name == "volume" else cells[name].cast(pl.Float64, strict=False)
        if numbers.null_count() == cells[name].null_count():
            continue
        text = pl.when(pl.lit(numbers).is_null() & pl.col(name).is_not_null()).then(pl.col(name).str.slice(0, 60))
        reasons.append(pl.format(f"{name} '{{}}' is not a number", text))
    return reasons
