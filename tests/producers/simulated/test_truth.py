"""The planted truth against bars: stated strength where something is planted, nothing where nothing is."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from producers.simulated.settings import SimulatedSettings
from producers.simulated.truth import read_truth, truth, write_truth
from producers.simulated.world import World
from shared.contracts.truth import PlantedTruth

Grid = NDArray[np.float64]
SETTINGS = SimulatedSettings(
    simulated_seed=7, simulated_tickers=10, simulated_sessions=1600, simulated_start=date(2015, 1, 2)
)
COLUMNS = ("open", "high", "low", "close", "volume", "trade_count", "vwap")


class Bars:
    """Bars of one ticker as grids (session, minute of the session); NaN where there is no bar."""

    def __init__(self, world: World, ticker: str) -> None:
        company = next(c for c in world.companies if c.ticker == ticker)
        opens = pl.DataFrame(
            {"day": [s.day for s in world.timeline.history], "open_at": [s.open for s in world.timeline.history]}
        )
        final = world.bars(company, world.timeline.history).unique("timestamp", keep="last", maintain_order=True)
        placed = final.with_columns(pl.col("timestamp").dt.date().alias("day")).join(opens, on="day", how="left")
        minute = ((placed["timestamp"] - placed["open_at"]).dt.total_minutes()).to_numpy()
        row = placed["day"].replace_strict({d: i for i, d in enumerate(opens["day"])}, return_dtype=pl.Int64).to_numpy()
        self.grids = {}
        for column in COLUMNS:
            grid = np.full((opens.height, 390), np.nan)
            grid[row, minute] = placed[column].cast(pl.Float64).to_numpy()
            self.grids[column] = grid
        traded = self.grids["volume"] > 0
        self.close = np.where(traded, self.grids["close"], np.nan)

    def past(self, minutes: int) -> Grid:
        """Return close(t) / close(t - minutes) - 1 inside the session."""
        back = np.full_like(self.close, np.nan)
        back[:, minutes:] = self.close[:, minutes:] / self.close[:, :-minutes] - 1.0
        return back

    def label(self, minutes: int) -> Grid:
        """Return close(t + minutes) / close(t) - 1 inside the session, where both bars have volume."""
        ahead = np.full_like(self.close, np.nan)
        ahead[:, :-minutes] = self.close[:, minutes:] / self.close[:, :-minutes] - 1.0
        return ahead


def correlation(signal: Grid, label: Grid) -> tuple[float, float]:
    """Return the pooled correlation and its standard error by whole sessions (labels overlap, volatility varies)."""
    both = np.isfinite(signal) & np.isfinite(label)
    x = np.where(both, signal - signal[both].mean(), 0.0)
    y = np.where(both, label - label[both].mean(), 0.0)
    xy, xx, yy = (np.sum(product, axis=1) for product in (x * y, x * x, y * y))
    found = xy.sum() / np.sqrt(xx.sum() * yy.sum())
    influence = xy / np.sqrt(xx.sum() * yy.sum()) - 0.5 * found * (xx / xx.sum() + yy / yy.sum())
    return float(found), float(np.sqrt(np.sum(influence**2)))


@pytest.fixture(scope="module")
def world() -> World:
    return World(SETTINGS)


PLANTED = [entry for entry in truth(SETTINGS) if entry.mechanism != "none"]
UNPLANTED = [entry for entry in truth(SETTINGS) if entry.mechanism == "none"]


@pytest.mark.parametrize("entry", PLANTED, ids=lambda entry: entry.ticker)
def test_planted_signal_reaches_the_stated_coefficient(world: World, entry: PlantedTruth) -> None:
    bars = Bars(world, entry.ticker)
    sign = 1.0 if entry.mechanism == "momentum" else -1.0
    found, error = correlation(sign * bars.past(entry.window_minutes), bars.label(entry.horizon_minutes))
    assert error < 0.006
    assert abs(found - entry.information_coefficient) < 4.0 * error


@pytest.mark.parametrize("entry", PLANTED, ids=lambda entry: entry.ticker)
def test_planted_drift_gives_nothing_beyond_its_own_signal(world: World, entry: PlantedTruth) -> None:
    """What the true minute drift leaves of the next minute's return cannot be foretold by the signal."""
    bars = Bars(world, entry.ticker)
    rest = bars.label(1) - entry.drift_weight * bars.past(entry.window_minutes)
    found, error = correlation(bars.past(entry.window_minutes), rest)
    assert abs(found) < 4.0 * error < 0.02


@pytest.mark.parametrize("entry", UNPLANTED, ids=lambda entry: entry.ticker)
def test_nothing_foretells_an_unplanted_ticker(world: World, entry: PlantedTruth) -> None:
    bars = Bars(world, entry.ticker)
    label, grids, close = bars.label(entry.horizon_minutes), bars.grids, bars.close
    signals = {f"past {k}": bars.past(k) for k in (1, 2, 3, 5, 10, 15, 30, 60)}
    with np.errstate(invalid="ignore", divide="ignore"):
        signals |= {
            "place in the range": (close - grids["low"]) / (grids["high"] - grids["low"]),
            "vwap": grids["vwap"] / close - 1.0,
            "body": close / grids["open"] - 1.0,
            "volume": np.log(grids["volume"]),
            "signed volume": np.log(grids["volume"]) * np.sign(close - grids["open"]),
            "trade size": np.log(grids["volume"] / grids["trade_count"]),
            "last cents": np.rint(close * 100.0) % 10.0,
            "since the open": close / grids["open"][:, :1] - 1.0,
        }
    for name, signal in signals.items():
        finite = np.where(np.isfinite(signal), signal, np.nan)
        found, error = correlation(finite, label)
        assert abs(found) < 4.0 * error, name
        assert error < 0.01, name


def test_planted_tickers_do_not_foretell_unplanted_ones(world: World) -> None:
    leader, follower = Bars(world, "SIM.ECHO"), Bars(world, "SIM.JULIET")
    found, error = correlation(leader.past(10), follower.label(5))
    assert abs(found) < 4.0 * error < 0.02


def test_signal_of_a_bar_uses_bars_up_to_it_only(world: World) -> None:
    bars = Bars(world, "SIM.ALFA")
    before = bars.past(10)[:, :200]
    bars.close[:, 200:] *= 1.5
    assert np.array_equal(bars.past(10)[:, :200], before, equal_nan=True)


def test_truth_is_written_below_the_home_and_read_back(tmp_path: Path) -> None:
    assert read_truth(tmp_path) is None
    path = write_truth(SETTINGS, tmp_path)
    assert path == tmp_path / "state" / "simulated_truth.json"
    assert list(path.parent.iterdir()) == [path]
    assert read_truth(tmp_path) == truth(SETTINGS)
    assert json.loads(path.read_text())["settings"]["simulated_seed"] == 7


def test_truth_has_an_entry_for_every_ticker() -> None:
    entries = truth(SETTINGS)
    assert [entry.ticker for entry in entries][:2] == ["SIM.ALFA", "SIM.BRAVO"]
    assert len(entries) == 10
    assert all((entry.information_coefficient == 0.0) == (entry.drift_weight == 0.0) for entry in entries)
