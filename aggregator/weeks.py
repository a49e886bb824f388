"""The bars that this member has read lately, by ticker and ISO week, packed, in bounded memory."""

import io
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import polars as pl

from shared.contracts.weeks import IsoWeek

MIB: Final = 1024 * 1024


class PackedWeeks:
    """Every known version of the bars of ticker-weeks; the tickers that were used last stay.

    Args:
        mib: Memory for it.
    """

    def __init__(self, mib: int) -> None:
        self._most = mib * MIB
        self._tickers: OrderedDict[str, dict[IsoWeek, bytes]] = OrderedDict()
        self._seen: dict[str, set[int]] = {}
        self._handled: dict[str, set[int]] = {}
        self.size = 0

    def get(self, ticker: str, week: IsoWeek) -> pl.DataFrame | None:
        """Return the bars; None where it is not known (any more) whether there are any."""
        packed = self._tickers.get(ticker, {}).get(week)
        return None if packed is None else pl.read_ipc(io.BytesIO(packed))

    def put(self, ticker: str, week: IsoWeek, bars: pl.DataFrame, *, handled: bool = True) -> None:
        """Keep all bars of a week, in place of those before; `handled` where rows are made of them now."""
        sink = io.BytesIO()
        bars.write_ipc(sink, compression="zstd", compat_level=pl.CompatLevel.newest())
        weeks = self._tickers.setdefault(ticker, {})
        self._tickers.move_to_end(ticker)
        self.size += sink.tell() - len(weeks.get(week, b""))
        weeks[week] = sink.getvalue()
        for marked in (self._seen, self._handled) if handled else (self._seen,):
            marked.setdefault(ticker, set()).add(_number(week))

    def note(self, ticker: str, week: IsoWeek) -> None:
        """Remember that there are bars of a week which are not kept here."""
        self._seen.setdefault(ticker, set()).add(_number(week))

    def was_seen(self, ticker: str, week: IsoWeek | None = None) -> bool:
        """Return whether there were ever bars of the ticker (of that week), though they may not be kept (any more)."""
        seen = self._seen.get(ticker)
        return seen is not None and (week is None or _number(week) in seen)

    def was_handled(self, ticker: str, week: IsoWeek) -> bool:
        """Return whether rows of the week were made since the start."""
        return _number(week) in self._handled.get(ticker, ())

    def trim(self, ticker: str, needed: Iterable[IsoWeek]) -> None:
        """Let go of the ticker's weeks but those `needed`, then of the tickers that were used longest ago."""
        wanted = set(needed)
        weeks = self._tickers.get(ticker, {})
        for week in weeks.keys() - wanted:
            self.size -= len(weeks.pop(week))
        while self.size > self._most and len(self._tickers) > 1:
            _, gone = self._tickers.popitem(last=False)
            self.size -= sum(map(len, gone.values()))

    def clear(self) -> None:
        """Forget everything."""
        self._tickers.clear()
        self._seen.clear()
        self._handled.clear()
        self.size = 0


def _number(week: IsoWeek) -> int:
    return week.year * 100 + week.week
