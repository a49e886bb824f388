"""The label: the return over the next minutes, executable return beside it. Outcomes use the same function."""

from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.calendar import session_close, session_open, sessions
from shared.errors import ContractError

SessionRule = Literal["regular", "extended"]
MINUTE = 60_000_000  # microseconds

LABEL_COLUMNS: dict[str, pl.DataType] = {
    "session_day": pl.Date(),
    "label": pl.Float64(),
    "label_end": pl.Datetime("us", "UTC"),
    "executable": pl.Float64(),
    "last": pl.Float64(),
}


def labels(bars: pl.DataFrame, horizon_minutes: int, session: SessionRule = "regular") -> pl.DataFrame:
    """Return the label of each bar.

    With d the close time of a bar: close of the last bar that closes in (d + H - 1 min, d + H] / close of the bar - 1.
    Both bars have volume and lie in the same session; a bar of the closing auction lies in none.

    Args:
        bars: Columns timestamp (bar start, UTC), close, volume, and open where executable returns are wanted; of one
            ticker, strictly ascending.
        horizon_minutes: H, at least 1.
        session: `regular`: within one regular session of the calendar; `extended`: on the New York day of one session.

    Returns:
        One row a bar, columns LABEL_COLUMNS: session_day (null outside sessions), label (a fraction, or null),
        label_end (close time of the label's last bar, UTC), executable (the return from the open of the bar one minute
        later to the same close), last (the label that ends at this bar's close, the newest one known).

    Raises:
        ContractError: the bars are not strictly ascending.
    """
    starts = _starts(bars["timestamp"])
    days = _session_days(bars["timestamp"], session)
    usable = _usable(bars, days)
    ends = np.searchsorted(starts, starts + horizon_minutes * MINUTE, side="right") - 1
    found = usable & usable[ends] & (starts[ends] > starts + (horizon_minutes - 1) * MINUTE) & (days == days[ends])
    closes = bars["close"].to_numpy().astype(np.float64)
    label = np.full(len(starts), np.nan)
    label[found] = closes[ends[found]] / closes[found] - 1.0
    last = np.full(len(starts), np.nan)
    last[ends[found]] = label[found]
    columns = {
        "session_day": pl.Series(days).cast(pl.Date),
        "label": label,
        "label_end": pl.Series(np.where(found, starts[ends] + MINUTE, -1)),
        "executable": _executable(bars, starts, closes, ends, found),
        "last": last,
    }
    return _nulls_for_missing(pl.DataFrame(columns))


def direction(label: pl.Expr) -> pl.Expr:
    """Return 1 for a rise, 0 for a fall, null for no change or no label (Int8)."""
    return pl.when(label > 0).then(pl.lit(1, pl.Int8)).when(label < 0).then(pl.lit(0, pl.Int8))


def _starts(timestamps: pl.Series) -> NDArray[np.int64]:
    """Return the starts of bars as microseconds since 1970; raise if they do not ascend."""
    starts = timestamps.dt.cast_time_unit("us").to_physical().to_numpy()
    if timestamps.null_count() or (np.diff(starts) <= 0).any():
        raise ContractError(
            "bars are not strictly ascending in time, so no label can be made. Sort them and drop twins."
        )
    return starts


def _nulls_for_missing(found: pl.DataFrame) -> pl.DataFrame:
    """Return the columns with null where there is no session, no label, no return."""
    return found.select(
        pl.when(pl.col("session_day").to_physical() >= 0).then(pl.col("session_day")),
        pl.col("label").fill_nan(None),
        pl.when(pl.col("label").is_not_nan()).then(pl.col("label_end")).cast(pl.Datetime("us", "UTC")),
        pl.col("executable").fill_nan(None),
        pl.col("last").fill_nan(None),
    )


def _session_days(timestamps: pl.Series, session: SessionRule) -> NDArray[np.int64]:
    """Return each bar's session as days since 1970; for a bar outside sessions a negative number of its own."""
    frame = pl.DataFrame({"at": timestamps, "day": timestamps.dt.convert_time_zone("America/New_York").dt.date()})
    outside = -np.arange(1, len(frame) + 1, dtype=np.int64)
    if frame.is_empty():
        return outside
    known = sessions(frame["day"].min(), frame["day"].max())  # type: ignore[arg-type]
    bounds = pl.DataFrame(
        {"day": known, "opens": [session_open(d) for d in known], "closes": [session_close(d) for d in known]},
        schema={"day": pl.Date, "opens": pl.Datetime("us", "UTC"), "closes": pl.Datetime("us", "UTC")},
    )
    joined = frame.join(bounds, on="day", how="left", maintain_order="left")
    inside = pl.col("opens").is_not_null()
    if session == "regular":
        inside &= (pl.col("at") >= pl.col("opens")) & (pl.col("at") + timedelta(minutes=1) <= pl.col("closes"))
    place = joined.select(inside=inside.fill_null(False), day=pl.col("day").to_physical().cast(pl.Int64))
    return np.where(place["inside"].to_numpy(), place["day"].to_numpy(), outside)


def _usable(bars: pl.DataFrame, days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which bars may begin or end a label: inside a session, with volume and a price."""
    traded = bars.select(((pl.col("volume") > 0) & (pl.col("close") > 0)).fill_null(False)).to_series().to_numpy()
    return traded & (days >= 0)


def _executable(
    bars: pl.DataFrame,
    starts: NDArray[np.int64],
    closes: NDArray[np.float64],
    ends: NDArray[np.int64],
    found: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the return from the open of the bar one minute later; NaN where that bar or the label is missing."""
    result = np.full(len(starts), np.nan)
    if "open" not in bars.columns or not len(starts):
        return result
    entry = np.minimum(np.searchsorted(starts, starts + MINUTE), len(starts) - 1)
    opens = bars["open"].to_numpy().astype(np.float64)
    traded = bars["volume"].fill_null(0).to_numpy() > 0
    possible = found & (starts[entry] == starts + MINUTE) & (opens[entry] > 0) & traded[entry]
    result[possible] = closes[ends[possible]] / opens[entry[possible]] - 1.0
    return result
