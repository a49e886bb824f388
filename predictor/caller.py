"""An answer to bars that the caller brings: the same features, the same models, but nobody else ever hears of it."""

from datetime import timedelta
from typing import Annotated, Final

import polars as pl
from pydantic import BaseModel, Field

from predictor.answering import ServingModel, answer
from predictor.views import CallerPrediction
from shared.contracts.bars import BAR_COLUMNS, BAR_LENGTH, NOMINAL, OBSERVED, SIMULATED_PREFIX, split_valid
from shared.contracts.facts import Name
from shared.contracts.messages import Instant
from shared.contracts.rows import FeatureRow
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import START_UP_WEEKS
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.rows import to_message

MOST_BARS: Final = (START_UP_WEEKS + 1) * 7 * 1440
Finite = Annotated[float, Field(allow_inf_nan=False)]


class CallerBar(BaseModel, extra="forbid"):
    """A 1-minute bar. `timestamp` is its start, with a zone; `known_at` is its close where not given."""

    timestamp: Instant
    open: Finite
    high: Finite
    low: Finite
    close: Finite
    volume: Finite
    trade_count: int | None = Field(None, ge=0, lt=2**63)
    vwap: Finite | None = None
    known_at: Instant | None = None


class CallerRequest(BaseModel, extra="forbid"):
    """Bars of one ticker, raw prices, in any order. The answer is to the newest one.

    Features look back up to six weeks; those whose look-back the bars do not fill are null, as are those made of
    macro data, filings and corporate actions.
    """

    ticker: Name
    bars: list[CallerBar] = Field(min_length=1, max_length=MOST_BARS)


class UnusableBarsError(Exception):
    """Bars that break the contract of a bar; each fault is a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(faults[0])
        self.faults = faults


def frame_of(request: CallerRequest) -> pl.DataFrame:
    """Return the bars in the contract's columns.

    Raises:
        UnusableBarsError: some of them break the contract.
    """
    rows = [
        {
            **bar.model_dump(),
            "ticker": request.ticker,
            "known_at": bar.known_at or bar.timestamp + BAR_LENGTH,
            "known_basis": OBSERVED if bar.known_at else NOMINAL,
            "source": "caller",
            "feed": None,
            "adjusted": False,
            "simulated": request.ticker.startswith(SIMULATED_PREFIX),
        }
        for bar in request.bars
    ]
    good, bad = split_valid(pl.DataFrame(rows, schema=BAR_COLUMNS))
    if bad.height:
        raise UnusableBarsError(
            [f"bar {one['timestamp']:%Y-%m-%dT%H:%MZ}: {one['reason']}" for one in bad.head(20).to_dicts()]
        )
    return good.unique(["timestamp", "known_at"], keep="last", maintain_order=True).sort("timestamp", "known_at")


def newest_row(bars: pl.DataFrame, made_at: Instant) -> FeatureRow:
    """Return the feature row of the newest bar, as known when it was.

    Raises:
        ContractError: the bars make no row.
        ValueError: the row breaks its contract.
    """
    newest = bars["timestamp"].max()
    week = IsoWeek.of(newest)  # type: ignore[arg-type]
    begin = week.start - timedelta(weeks=START_UP_WEEKS)
    rows = compute_week(bars.filter(pl.col("timestamp") >= begin), EMPTY_CONTEXT, week)
    return to_message(rows.row(-1, named=True), 1, made_at, replayed=False)


def answer_caller(request: CallerRequest, models: list[ServingModel], made_at: Instant) -> CallerPrediction:
    """Return the answer.

    Raises:
        UnusableBarsError: some bars break the contract.
        NoAnswerError: no model can answer.
        ContractError: the bars make no row.
    """
    bars = frame_of(request)
    row = newest_row(bars, made_at)
    prediction = answer(row, models, made_at)
    null = [name for name, value in row.values.items() if value is None]
    return CallerPrediction(**prediction.model_dump(), bars=bars.height, features_null=null)
