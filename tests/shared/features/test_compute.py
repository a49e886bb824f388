"""A week's rows where bars are odd: none, one, flat, untraded, thin, split, of two tickers."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from shared.contracts.bars import BAR_COLUMNS
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.features.bench import START_UP_BARS
from shared.features.catalogue import CATALOGUE, NAMES
from shared.features.compute import RESULT_COLUMNS, ROW_COLUMNS, compute_week
from shared.features.context import EMPTY_CONTEXT, Context
from tests.shared.features.making import MONDAY, bits, flat, minutes_of, walk
from tests.shared.features.oracle import ORACLE
from tests.shared.features.test_knowledge import split_on

WEEK = IsoWeek(2024, 8)
OURS = [feature for feature in CATALOGUE if feature.name in ORACLE and feature.timeframe == "1m"]
VALUES = [name for name in RESULT_COLUMNS if name not in ROW_COLUMNS]


def assert_numbers_or_null(rows: pl.DataFrame) -> None:
    assert rows.schema == RESULT_COLUMNS
    for name in VALUES:
        assert rows[name].drop_nulls().is_finite().all(), name


def test_week_without_bars_has_no_rows() -> None:
    before = walk(minutes_of(MONDAY.replace(day=12), MONDAY.replace(day=16)))
    for bars in (pl.DataFrame(schema=BAR_COLUMNS), before):
        rows = compute_week(bars, EMPTY_CONTEXT, WEEK)
        assert rows.schema == RESULT_COLUMNS
        assert rows.is_empty()


def test_week_of_a_single_bar_has_one_row_without_history() -> None:
    bars = walk(minutes_of(MONDAY, MONDAY.replace(day=20))).head(1)
    rows = compute_week(bars, EMPTY_CONTEXT, WEEK)
    assert_numbers_or_null(rows)
    assert rows.height == 1
    assert rows["as_of"][0] == bars["known_at"][0]
    assert rows.select("open", "close", "volume").equals(bars.select("open", "close", "volume"))
    held = {feature.name for feature in OURS if rows[feature.name][0] is not None}
    assert held <= {feature.name for feature in OURS if feature.start_up <= 1}


def test_feature_is_null_until_its_look_back_is_filled_and_there_from_then_on() -> None:
    bars = walk(minutes_of(MONDAY, MONDAY.replace(day=23)), seed=8).with_columns(
        pl.col("volume") + 1, trade_count=pl.lit(5, pl.Int64), vwap=pl.col("close")
    )
    rows = compute_week(bars, EMPTY_CONTEXT, WEEK)
    for feature in OURS:
        there = np.flatnonzero(rows[feature.name].is_not_null().to_numpy())
        assert there[0] == max(feature.start_up, 1) - 1, feature.name
        assert len(there) == rows.height - there[0], feature.name


def test_flat_and_untraded_bars_give_numbers_or_null() -> None:
    minutes = minutes_of(MONDAY.replace(month=1, day=8), MONDAY.replace(day=23))
    rows = compute_week(flat(minutes), EMPTY_CONTEXT, WEEK)
    assert_numbers_or_null(rows)
    for name, value in {
        "rocp_5": 0.0,
        "return_std_60": 0.0,
        "bb_width_20": 0.0,
        "sma_50_distance": 0.0,
        "bop": 0.0,
    }.items():
        assert (rows[name] == value).all(), name
    for name in (
        "bb_percent_b_20",
        "return_skew_60",
        "trend_60",
        "volume_ratio_20",
        "vwap_60",
        "volume_to_usual",
        "cmf_20",
    ):
        assert rows[name].null_count() == rows.height, name


@pytest.mark.parametrize("price", [0.0003, 50.0, 600_000.0])
def test_price_that_stands_still_after_a_wild_time_leaves_no_remainder(price: float) -> None:
    minutes = minutes_of(MONDAY.replace(day=12), MONDAY.replace(day=23))
    wild = walk(minutes, seed=2, ticks=200.0)
    scale = pl.lit(price / 100)
    before = wild.with_columns(
        *(pl.col(c) * scale for c in ("open", "high", "low", "close", "vwap")), pl.col("volume") * 1e6
    )
    still = flat(minutes[len(minutes) - 1000 :], price)
    rows = compute_week(pl.concat([before.head(len(minutes) - 1000), still]), EMPTY_CONTEXT, WEEK).tail(500)
    assert_numbers_or_null(rows)
    for name in (
        "return_std_60",
        "return_std_20",
        "bb_width_20",
        "downside_deviation_60",
        "roll_spread_60",
        "true_range_to_atr_14",
    ):
        assert rows[name].fill_null(0.0).abs().max() == 0.0, name
    for name in ("bb_percent_b_20", "return_skew_60", "return_kurtosis_60", "trend_60", "return_autocorrelation_60"):
        assert rows[name].null_count() == rows.height, name
    for name in ("volume_ratio_20", "volume_balance_20", "cmf_20", "vwap_60_distance", "trade_size_ratio_60"):
        assert rows[name].null_count() == rows.height, name
    assert rows["mfi_14"].is_between(0, 100).all()


def test_missing_trade_count_and_vwap_do_not_spoil_later_rows() -> None:
    bars = walk(minutes_of(MONDAY.replace(day=12), MONDAY.replace(day=20)), seed=2)
    place = int((bars["timestamp"] < WEEK.start).sum()) + 10
    whole = bars.with_columns(trade_count=pl.lit(7, pl.Int64), vwap=pl.col("close"))
    holed = whole.with_columns(
        *(pl.when(pl.int_range(pl.len()) != place).then(c).alias(c) for c in ("trade_count", "vwap"))
    )
    rows, full = compute_week(holed, EMPTY_CONTEXT, WEEK), compute_week(whole, EMPTY_CONTEXT, WEEK)
    assert rows["trade_size_ratio_60"].is_null().to_numpy().nonzero()[0].tolist() == list(range(10, 70))
    assert rows["bar_vwap_distance"].is_null().to_numpy().nonzero()[0].tolist() == [10]
    assert bits(rows[70:]).equals(bits(full[70:]))
    assert bits(rows.drop("trade_size_ratio_60", "bar_vwap_distance")).equals(
        bits(full.drop("trade_size_ratio_60", "bar_vwap_distance"))
    )


def test_missing_minutes_stay_missing_and_the_window_tells_how_many_it_spans() -> None:
    bars = walk(minutes_of(MONDAY.replace(day=12), MONDAY.replace(day=20)), seed=2, share=0.5)
    rows = compute_week(bars, EMPTY_CONTEXT, WEEK)
    assert rows["timestamp"].equals(bars.filter(pl.col("timestamp") >= WEEK.start)["timestamp"])
    covered = (rows["timestamp"] - rows["timestamp"].shift(59)).dt.total_minutes() + 1
    assert (rows["span_60"][59:] * 60).round(3).equals(covered[59:].cast(pl.Float32))
    assert rows["span_60"][59:].min() > 1.5


def test_split_in_the_week_gives_what_adjusted_bars_give() -> None:
    bars = walk(minutes_of(MONDAY.replace(month=1, day=8), MONDAY.replace(day=23)), seed=6)
    ex_date = MONDAY.replace(day=21)
    new = pl.col("timestamp").dt.date() >= ex_date
    prices = ("open", "high", "low", "close", "vwap")
    raw = bars.with_columns(
        *(pl.when(new).then(pl.col(c) / 4).otherwise(c).alias(c) for c in prices),
        pl.when(new).then(pl.col("volume") * 4).otherwise("volume").alias("volume"),
    )
    actions = split_on(ex_date, 4.0, WEEK.start - timedelta(days=20))
    rows = compute_week(raw, Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions), WEEK)
    before = compute_week(bars, EMPTY_CONTEXT, WEEK).filter(~new)
    quarter = bars.with_columns(*(pl.col(c) / 4 for c in prices), pl.col("volume") * 4)
    after = compute_week(quarter, EMPTY_CONTEXT, WEEK).filter(new)
    about = [name for name in NAMES if "split" not in name]
    assert bits(rows.filter(~new).select(about)).equals(bits(before.select(about)))
    assert bits(rows.filter(new).select(about)).equals(bits(after.select(about)))
    assert rows["close"].equals(raw.filter(pl.col("timestamp") >= WEEK.start)["close"])


def test_bars_that_the_source_adjusted_are_not_adjusted_again() -> None:
    bars = walk(minutes_of(MONDAY.replace(day=12), MONDAY.replace(day=23)), seed=6).with_columns(adjusted=True)
    actions = split_on(MONDAY.replace(day=21), 4.0, WEEK.start - timedelta(days=20))
    rows = compute_week(bars, Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions), WEEK)
    about = [name for name in NAMES if "split" not in name]
    assert bits(rows.select(about)).equals(bits(compute_week(bars, EMPTY_CONTEXT, WEEK).select(about)))


def test_row_tells_whether_its_bar_lies_in_the_regular_session() -> None:
    bars = walk(minutes_of(MONDAY, MONDAY.replace(day=20), extended=True))
    rows = compute_week(bars, EMPTY_CONTEXT, WEEK)
    assert rows["session"].rle().struct.unnest()["len"].to_list() == [30, 390, 30]
    assert rows["session"][0] == "extended"


def test_bars_of_two_tickers_are_refused() -> None:
    bars = walk(minutes_of(MONDAY, MONDAY.replace(day=20)))
    other = bars.with_columns(ticker=pl.lit("MSFT"))
    with pytest.raises(ContractError, match="differ in ticker"):
        compute_week(pl.concat([bars, other]), EMPTY_CONTEXT, WEEK)
    with pytest.raises(ContractError, match="lack the columns feed"):
        compute_week(bars.drop("feed"), EMPTY_CONTEXT, WEEK)


def test_start_up_bars_cover_every_look_back_of_minute_features() -> None:
    assert max(feature.start_up for feature in CATALOGUE if feature.timeframe == "1m") <= START_UP_BARS


def test_minute_features_are_started_up_with_the_last_bars_before_the_week_and_no_others() -> None:
    bars = walk(minutes_of(MONDAY.replace(day=5), MONDAY.replace(day=23)), seed=9)
    before = int((bars["timestamp"] < WEEK.start).sum())
    minute = [feature.name for feature in OURS]
    whole = bits(compute_week(bars, EMPTY_CONTEXT, WEEK).select(minute))
    enough = compute_week(bars[before - START_UP_BARS :], EMPTY_CONTEXT, WEEK).select(minute)
    assert bits(enough).equals(whole)
    fewer = compute_week(bars[before - START_UP_BARS + 1 :], EMPTY_CONTEXT, WEEK).select(minute)
    assert not bits(fewer).equals(whole)
