"""Features a second and core, beside a bare TA-Lib and polars loop over the same columns and bars.

Both make the same ISO weeks of the same tickers one after the other, start-up bars included, in one process with one
thread each; CPU time counts. `python -m benchmarks.features` prints the table.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl

from benchmarks.bare_context import slow_table
from benchmarks.bare_features import bare_minute_week, bare_week
from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedFilings, SimulatedHistory, SimulatedMacro
from producers.source import Bars, Fact, Source
from shared.contracts.fact_frames import frames_of_rows
from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO, Dataset
from shared.contracts.versions import union_versions
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE, NAMES
from shared.features.compute import compute_week
from shared.features.context import Context
from shared.features.feature import Group

ROUNDS, TICKERS, SESSIONS = 5, 4, 90
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_BY_POLARS = {Group.MULTI_TIMEFRAME, Group.SESSION, Group.MACRO, Group.FUNDAMENTAL, Group.ACTIONS}
MINUTE_FEATURES = tuple(f for f in CATALOGUE if f.group not in _BY_POLARS and f.timeframe == "1m")
_AT = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ticker:
    """One ticker's bars, one version each, as both sides get them, and its slow facts."""

    bars: pl.DataFrame
    context: Context
    slow: pl.DataFrame
    weeks: list[IsoWeek]


def measure(rounds: int = ROUNDS) -> list[str]:
    """Return Markdown lines; measured in a process of its own, so that libraries begin with one thread."""
    command = [sys.executable, "-m", "benchmarks.features", "--json", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **_ONE_THREAD})
    result: dict[str, Any] = json.loads(done.stdout)
    lines = [
        f"{result['rows']:,} rows in {result['weeks']} ticker-weeks, {result['start_up']:,} start-up bars before them; "
        f"{result['same']:.1%} of the values are the same to 0.1 %.",
        "",
        "| round | columns | bare loop, features/s a core | Tickerstream, features/s a core | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for number, seconds in enumerate(result["seconds"], 1):
        for columns, bare, ours in seconds:
            rates = f"{result['rows'] * columns / bare:,.0f} | {result['rows'] * columns / ours:,.0f}"
            lines.append(f"| {number} | {columns} | {rates} | {bare / ours:.2f} |")
    lines += ["", "The smaller number of columns is those that the bare loop makes by TA-Lib and numpy alone."]
    return lines


def tickers(count: int = TICKERS, sessions: int = SESSIONS) -> Iterator[Ticker]:
    """Yield simulated tickers."""
    settings = SimulatedSettings.load(
        simulated_tickers=count, simulated_sessions=sessions, simulated_start=date(2024, 1, 2)
    )
    facts, frames = _read(SimulatedHistory(settings), SimulatedMacro(settings), SimulatedFilings(settings))
    macro = _lake(MACRO, facts, lambda fact: fact["series"])
    for ticker, parts in frames.items():
        bars = pl.concat(parts).unique("timestamp", keep="first", maintain_order=True).sort("timestamp").rechunk()
        filings = _lake(FUNDAMENTALS, facts, lambda fact, own=ticker: fact.get("symbol") == own)
        context = Context(macro, filings, _lake(ACTIONS, [], bool))
        weeks = sorted({IsoWeek.of(instant) for instant in bars["timestamp"].dt.truncate("1w").unique()})
        yield Ticker(bars, context, slow_table(context, "SIM."), weeks[7:])


def _read(*sources: Source) -> tuple[list[dict[str, Any]], dict[str, list[pl.DataFrame]]]:
    facts, frames = [], {}
    for source in sources:
        for unit in source.units():
            for item in source.read(unit):
                match item:
                    case Bars():
                        frames.setdefault(item.frame["ticker"][0], []).append(item.frame)
                    case Fact():
                        facts.append({**item.message.model_dump(), "ingested_at": _AT})
    return facts, frames


def _lake(dataset: Dataset, facts: list[dict[str, Any]], wanted: Callable[[dict[str, Any]], Any]) -> pl.DataFrame:
    rows = [fact for fact in facts if dataset.natural_key[0] in fact and "amount" not in fact and wanted(fact)]
    return union_versions(dataset, *frames_of_rows(dataset, rows))


def _seconds(make: Callable[[Ticker, IsoWeek], pl.DataFrame], ticker: Ticker, week: IsoWeek) -> float:
    begin = time.process_time()
    make(ticker, week)
    return time.process_time() - begin


def _bare(ticker: Ticker, week: IsoWeek) -> pl.DataFrame:
    return bare_week(ticker.bars, ticker.slow, week)


def _ours(ticker: Ticker, week: IsoWeek) -> pl.DataFrame:
    return compute_week(ticker.bars, ticker.context, week)


def _bare_minute(ticker: Ticker, week: IsoWeek) -> pl.DataFrame:
    return bare_minute_week(ticker.bars, week)


def _ours_minute(ticker: Ticker, week: IsoWeek) -> pl.DataFrame:
    return compute_week(ticker.bars, ticker.context, week, features=MINUTE_FEATURES)


def _same(bare: pl.DataFrame, ours: pl.DataFrame) -> dict[str, float]:
    """Return the share of values of each column that agree to a thousandth, of those that both have."""
    shares = {}
    for name in NAMES:
        left, right = bare[name].to_numpy(), ours[name].to_numpy()
        both = np.isfinite(left) & np.isfinite(right)
        if both.any():
            close = np.isclose(left[both], right[both], rtol=1e-3, atol=1e-3 * np.std(right[both]))
            shares[name] = float(close.mean())
    return shares


def _run(rounds: int) -> dict[str, Any]:
    everything = list(tickers())
    pairs = [(ticker, week) for ticker in everything for week in ticker.weeks]
    agreed = [_same(_bare(*pair), _ours(*pair)) for pair in pairs]
    shares = {name: float(np.mean([one[name] for one in agreed if name in one] or [np.nan])) for name in NAMES}
    rows = sum(_ours(*pair).height for pair in pairs)
    seconds = []
    for _ in range(rounds):
        made = []
        for bare, ours, columns in ((_bare, _ours, NAMES), (_bare_minute, _ours_minute, MINUTE_FEATURES)):
            both = [(_seconds(bare, *pair), _seconds(ours, *pair)) for pair in pairs]
            made.append((len(columns), sum(one for one, _ in both), sum(one for _, one in both)))
        seconds.append(made)
    return {
        "rows": rows,
        "weeks": len(pairs),
        "start_up": 500 * len(pairs),
        "same": float(np.nanmean(list(shares.values()))),
        "shares": shares,
        "seconds": seconds,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--json"]:
        print(json.dumps(_run(int(sys.argv[2]))))
    else:
        print("\n".join(measure()))
