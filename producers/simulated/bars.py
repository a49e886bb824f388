"""From a session's path to its 1-minute bars: range, volume, trades, silences, halts, and bars revised later."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from producers.simulated.path import SessionPath
from producers.simulated.seeds import Floats, Stream, generator
from producers.simulated.tickers import Company
from shared.contracts.bars import BAR_COLUMNS, INSTANT, OBSERVED

FEED = "simulated"
MINUTE = 60_000_000  # microseconds
_HALT_CHANCE = 1 / 80  # a ticker and session
_REVISED = 0.003  # share of the bars that a later report changes
_TRADE_SIZE = 90.0  # shares


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars as columns; prices in US cents (vwap not whole), times in microseconds since 1970, UTC.

    `vwap` is NaN where nothing was traded.
    """

    timestamp: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    trade_count: Floats
    vwap: Floats
    known_at: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Columns":
        """Return the rows of that mask or of those places."""
        return Columns(*(getattr(self, name)[rows] for name in self.__slots__))

    def followed_by(self, *others: "Columns") -> "Columns":
        """Return these rows and those of `others` after them."""
        parts = (self, *others)
        return Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in self.__slots__))


def session_bars(company: Company, path: SessionPath) -> Columns:
    """Return every version of the bars of one ticker and session, by timestamp, then by known_at."""
    minutes = len(path.closes)
    rng = generator(company.seed, Stream.TICKER_BARS, company.index, path.session.ordinal)
    final = _traded(company, path, rng)
    halted = _halted(path, rng)
    regular = np.zeros(minutes, dtype=np.bool_)
    regular[path.shape.regular] = True
    silent = rng.random(minutes) >= -np.expm1(-company.role.trades * path.shape.activity)
    silent[path.shape.regular.start] = False  # the opening auction always trades
    traded = ~(silent | halted)
    first, late = _revised(final, np.flatnonzero((rng.random(minutes) < _REVISED) & traded & (final.volume > 1)), rng)
    kept = traded
    if company.role.filler:
        first, kept = _filled(first, traded), traded | (regular & ~halted)
    rows = first.take(kept).followed_by(late)
    return rows.take(np.argsort(rows.timestamp, kind="stable"))


def _traded(company: Company, path: SessionPath, rng: np.random.Generator) -> Columns:
    """Return the bars as they are in the end, as if every minute had traded."""
    minutes = len(path.closes)
    above, below = rng.standard_exponential((2, minutes))
    size = rng.standard_normal(minutes)
    trade_size, weight, delay = rng.random((3, minutes))
    opens, closes = path.opens, path.closes
    # Extremes of a Brownian path between known ends: P(high > h) = exp(-2 (h - open) (h - close) / variance).
    middle, move, spread = opens + closes, (closes - opens) ** 2, 2.0 * path.scale**2
    high = np.rint((middle + np.sqrt(move + spread * above)) / 2.0)
    low = np.maximum(1.0, np.rint((middle - np.sqrt(move + spread * below)) / 2.0))
    high, low = np.maximum(high, np.maximum(opens, closes)), np.minimum(low, np.minimum(opens, closes))
    typical = company.shares * path.shares_for_one * path.busy * path.shape.activity
    volume = np.maximum(1.0, np.rint(typical * np.exp(0.5 * path.gusts + 0.4 * size - 0.2)))
    trades = np.clip(np.rint(volume / _TRADE_SIZE * (0.6 + 0.8 * trade_size)), 1.0, volume)
    vwap = (middle + high + low) / 4.0 + 0.2 * (high - low) * (weight - 0.5)
    start = int(path.session.open.timestamp()) * 1_000_000 + path.shape.offsets * MINUTE
    known = start + MINUTE + 200_000 + (delay * 2_000.0).astype(np.int64) * 1_000
    return Columns(start, opens, high, low, closes, volume, trades, np.clip(vwap, low, high), known)


def _halted(path: SessionPath, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which minutes fall into a halt of trading: none, or 5 to 30 in a row well inside the regular session."""
    chance, place, length = rng.random(3).tolist()
    halted = np.zeros(len(path.closes), dtype=np.bool_)
    if chance < _HALT_CHANCE:
        regular = path.shape.regular
        start = regular.start + 20 + int(place * (regular.stop - regular.start - 80))
        halted[start : start + 5 + int(length * 26)] = True
    return halted


def _revised(final: Columns, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Return (bars as first reported, those of `rows` again as reported in the end), because trades come in late.

    A late trade adds volume and may widen the range; it is neither the first nor the last of its minute.
    """
    share, up, down, delay = rng.random((4, len(rows)))
    late = final.take(rows)
    top, bottom = np.maximum(late.open, late.close), np.minimum(late.open, late.close)
    volume = np.maximum(1.0, np.floor(late.volume * (0.3 + 0.6 * share)))
    trades = np.clip(np.floor(late.trade_count * (0.3 + 0.6 * share)), 1.0, volume)
    high, low = top + np.floor((late.high - top) * up), bottom - np.floor((bottom - late.low) * down)
    early = replace(
        final,
        high=_with(final.high, rows, high),
        low=_with(final.low, rows, low),
        volume=_with(final.volume, rows, volume),
        trade_count=_with(final.trade_count, rows, trades),
        vwap=_with(final.vwap, rows, np.clip(late.vwap, low, high)),
    )
    later = late.timestamp + MINUTE + ((2.0 + 43.0 * delay) * 60.0).astype(np.int64) * 1_000_000
    return early, replace(late, known_at=later)


def _with(column: Floats, rows: NDArray[np.int64], values: Floats) -> Floats:
    changed = column.copy()
    changed[rows] = values
    return changed


def _filled(bars: Columns, traded: NDArray[np.bool_]) -> Columns:
    """Return the bars with minutes that did not trade as zero-volume fillers at the last traded price."""
    last = bars.close[np.maximum.accumulate(np.where(traded, np.arange(len(traded)), 0))]
    return replace(
        bars,
        open=np.where(traded, bars.open, last),
        high=np.where(traded, bars.high, last),
        low=np.where(traded, bars.low, last),
        close=last,
        volume=np.where(traded, bars.volume, 0.0),
        trade_count=np.where(traded, bars.trade_count, 0.0),
        vwap=np.where(traded, bars.vwap, np.nan),
    )


def to_frame(ticker: str, bars: Columns) -> pl.DataFrame:
    """Return the bars of one ticker as BAR_COLUMNS, prices in US dollars."""
    rows = len(bars.timestamp)
    same = {"ticker": ticker, "known_basis": OBSERVED, "source": "simulated", "feed": FEED}
    columns: dict[str, pl.Series] = {
        name: pl.Series(name, [text], pl.String()).new_from_index(0, rows) for name, text in same.items()
    }
    for name, flag in {"adjusted": False, "simulated": True}.items():
        columns[name] = pl.Series(name, np.full(rows, flag))
    for name in ("open", "high", "low", "close"):
        columns[name] = pl.Series(name, getattr(bars, name) / 100.0)
    for name in ("timestamp", "known_at"):
        columns[name] = pl.Series(name, getattr(bars, name)).cast(INSTANT)
    columns["volume"] = pl.Series("volume", bars.volume)
    columns["trade_count"] = pl.Series("trade_count", bars.trade_count.astype(np.int64))
    columns["vwap"] = pl.Series("vwap", np.round(bars.vwap / 100.0, 4), nan_to_null=True)
    return pl.DataFrame([columns[name] for name in BAR_COLUMNS])
