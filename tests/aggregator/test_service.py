"""The aggregator on real servers: every bar becomes a row, once."""

import io
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from shared.contracts.bars import INSTANT, encode_bars
from shared.contracts.lake import STOCK, stock_object
from shared.contracts.versions import union_versions
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import NAMES
from shared.features.compute import FeatureEngine, compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.revisions import week_revisions
from shared.kafka.partitioner import partition_of
from shared.kafka.scan import read_topic
from shared.settings import PostgresSettings
from shared.storage.tickers import TickerRegistry
from shared.testing.eventually import eventually
from tests.aggregator.parts import Ground, bars, by_week, ground, observed, tickers_on
from tests.shared.features.making import bits
from tests.shared.metrics.reading import value

pytestmark = pytest.mark.kafka
SECOND = timedelta(seconds=1)


def expected(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of one ticker as the one function makes them from all bars at once."""
    return pl.concat([compute_week(frame, EMPTY_CONTEXT, week) for week in weeks_of(frame)])


def weeks_of(frame: pl.DataFrame) -> list[IsoWeek]:
    return sorted({IsoWeek.of(stamp) for stamp in frame["timestamp"]})


def same(rows: pl.DataFrame, wanted: pl.DataFrame, *columns: str) -> bool:
    """Whether rows are equal to the last bit."""
    names = [*(columns or ("timestamp", "as_of", "open", "close", "volume", "session")), *NAMES]
    return bits(rows.select(names)).equals(bits(wanted.select(names)))


def land(stand: Ground, frame: pl.DataFrame) -> None:
    """Put bars into the lake, as their consumer does; it received them when they were sent."""
    records = [*read_topic(stand.kafka, stand.names["h_alpaca"])]
    for week in by_week(frame):
        stamp = max((r.timestamp for r in records), default=week["known_at"][0])
        sink = io.BytesIO()
        union_versions(STOCK, week.with_columns(ingested_at=pl.lit(stamp).cast(INSTANT))).write_parquet(sink)
        name = stock_object(week["ticker"][0], IsoWeek.of(week["timestamp"][0]))
        stand.store.put(STOCK.bucket, name, sink.getvalue(), expected=None)


def test_history_becomes_rows_equal_to_the_one_function(stand: Ground) -> None:
    frame = bars(days=12)
    with stand.history(frame).running():
        rows = stand.await_rows(12 * 390)
        eventually(lambda: stand.features("AAPL"))

    assert rows["revision"].unique().to_list() == [1]
    assert same(rows, expected(frame))
    newest = stand.features("AAPL")[-1]
    assert newest.timestamp == frame["timestamp"].max()
    assert stand.started() == []


def test_live_bars_go_on_where_history_ended_with_the_same_rows(stand: Ground) -> None:
    frame = bars(days=2)
    past, day = frame[:390], observed(frame[390:420])
    with stand.history(past).running():
        stand.await_rows(390)
        stand.live(day)
        rows = stand.await_rows(420)
        eventually(lambda: stand.features("AAPL")[-1].timestamp == day["timestamp"][-1])
        eventually(lambda: value("feature_newest_bar_timestamp_seconds") == day["timestamp"][-1].timestamp())
        eventually(lambda: value("feature_behind_seconds") == 0)
    assert value("feature_rows_total", kind="added") == value("feature_bars_total") == 420
    assert value("feature_transaction_seconds_count", kind="rows") >= 1
    assert value("remake_requests_pending") == 0

    wanted = expected(pl.concat([past, day]))
    assert same(rows, wanted)
    assert rows["as_of"][-1] == day["known_at"][-1]
    sent = [row.timestamp for row in stand.features("AAPL")]
    assert sent == sorted(sent)
    assert stand.rows().filter(pl.col("timestamp") == sent[-1])["served"].all()


def test_day_with_late_doubled_and_corrected_bars_equals_a_fresh_computation(stand: Ground) -> None:
    frame = bars(days=6)  # into the second week
    past, day = frame[: 5 * 390], observed(frame[5 * 390 : 5 * 390 + 60])
    last = day["timestamp"][-1]
    late = day[20:21].with_columns(known_at=pl.lit(last + 90 * SECOND).cast(INSTANT))
    corrected = day[30:31].with_columns(
        pl.col("close") * 1.002, pl.col("high") * 1.01, known_at=pl.lit(last + 100 * SECOND).cast(INSTANT)
    )
    of_last_week = past[-10:-9].with_columns(
        pl.col("close") * 1.002,
        pl.col("high") * 1.01,
        known_at=pl.lit(last + 110 * SECOND).cast(INSTANT),
        known_basis=pl.lit("observed"),
    )
    first = pl.concat([day[:20], day[21:]])
    with stand.history(past).running():
        stand.await_rows(past.height)
        stand.live(first).await_rows(past.height + 59)
        stand.live(late).live(day[40:45]).live(corrected).live(of_last_week)  # the five are told twice
        stand.await_caught_up().await_remade()
        assert stand.scalar("SELECT count(*) FROM remake_requests") == 1
        rows = stand.rows()

    told = pl.concat([past, first, late, corrected, of_last_week])
    weeks = weeks_of(frame)
    engine = FeatureEngine("AAPL")
    revisions = [frame for week in weeks for frame in week_revisions(engine, told, EMPTY_CONTEXT, week)]
    fresh = pl.concat(revisions).select("timestamp", "as_of", "close", *NAMES).sort("timestamp", "as_of")
    ours = rows.select(fresh.columns).sort("timestamp", "as_of")
    missing = bits(ours).join(bits(fresh), on=fresh.columns, how="anti", nulls_equal=True)
    assert missing.is_empty()  # each stored revision is what the one function gives as of its instant
    newest = fresh.group_by("timestamp", maintain_order=True).last()
    assert same(rows.filter(~pl.col("superseded")), newest, "timestamp", "close")
    assert rows.height > frame[: 5 * 390 + 60].height
    again = rows.filter(pl.col("revision") > 1)
    assert set(again["as_of"]) == {late["known_at"][0], corrected["known_at"][0], of_last_week["known_at"][0]}
    assert again["timestamp"].min() == of_last_week["timestamp"][0]


def test_records_that_come_again_change_nothing(stand: Ground) -> None:
    frame = bars(days=6)
    with stand.history(frame).running():
        stand.await_rows(frame.height)
        stand.history(frame).live(frame[-5:]).await_caught_up().await_remade()
        rows = stand.rows()
    assert rows.height == frame.height
    assert rows["revision"].unique().to_list() == [1]
    assert stand.scalar("SELECT count(*) FROM remake_requests") == 0


def test_older_history_that_comes_later_makes_the_weeks_after_it_again(stand: Ground) -> None:
    frame = bars(days=12)
    older, newer = frame[: 5 * 390], frame[5 * 390 :]
    with stand.history(newer).running():
        stand.await_rows(newer.height)
        stand.history(older).await_caught_up().await_remade()
        eventually(lambda: stand.scalar("SELECT count(*) FROM remake_requests WHERE done_at IS NOT NULL") == 1)
        rows = stand.rows(newest=True)
    wanted = expected(frame)
    assert same(rows, wanted)


def test_member_that_starts_anew_takes_start_up_bars_from_kafka_where_the_lake_is_behind(stand: Ground) -> None:
    frame = bars(days=12)
    with stand.history(frame[: 5 * 390]).running():
        stand.await_rows(5 * 390)
    with stand.history(frame[5 * 390 :]).running():
        rows = stand.await_rows(frame.height)
    assert same(rows, expected(frame))


def test_member_that_starts_anew_takes_start_up_bars_from_the_lake(stand: Ground) -> None:
    frame = bars(days=12)
    with stand.history(frame[: 5 * 390]).running():
        stand.await_rows(5 * 390)
    land(stand, frame)  # the lake is ahead of the aggregator
    with stand.history(frame[5 * 390 :]).running():
        rows = stand.await_rows(frame.height)
    assert same(rows, expected(frame))


def test_bars_of_a_replay_and_of_a_removed_ticker(stand: Ground) -> None:
    frame = bars(days=1)
    registry = TickerRegistry(stand.engine)
    registry.add(["MSFT"])
    registry.remove(["MSFT"])
    with stand.history(frame[:300]).history(bars("MSFT", minutes=50)).running():
        stand.await_rows(300)
        stand.await_rows(50, "MSFT")
        stand.live(frame[300:310].with_columns(source=pl.lit("replay"))).live(bars("MSFT")[50:55])
        rows = stand.await_rows(310)
        stand.await_caught_up()
        assert stand.count("MSFT") == 50
        registry.add(["MSFT"])
        eventually(lambda: stand.live(bars("MSFT")[60:61]).await_caught_up() and stand.count("MSFT") > 50)
    assert rows.filter(pl.col("replayed"))["timestamp"].to_list() == frame["timestamp"][300:310].to_list()


def test_bad_records_are_passed_over(stand: Ground) -> None:
    frame = bars(minutes=10)
    stand.send("h_alpaca", "AAPL", b"nonsense")
    stand.send("h_alpaca", "MSFT", encode_bars(frame))  # of another ticker than the key
    stand.send("h_macrodata", "GDPC1", b"{}")
    stand.send("runs", "R", b"nonsense")
    with stand.history(frame.with_columns(low=pl.col("high") * 2)).history(frame).running():
        rows = stand.await_rows(10)
        stand.await_caught_up()
    assert rows.height == 10
    letters = [r for r in read_topic(stand.kafka, "dead_letters") if r.headers["topic"].decode() == stand.names["runs"]]
    assert len(letters) == 1


def test_weeks_that_memory_let_go_are_read_again(kafka: str, database: PostgresSettings, tmp_path: Path) -> None:
    names = ["AAPL", *tickers_on(partition_of(b"AAPL", 2), 2, [f"T{n}" for n in range(40)])[:6]]
    with ground(kafka, database, tmp_path / "lake", aggregator_cache_mib=1, aggregator_batch_records=3) as stand:
        frames = {name: bars(name, days=10) for name in names}
        with stand.running():
            for week in range(2):
                for frame in frames.values():
                    stand.history(frame[week * 1950 : (week + 1) * 1950])
            for name in names:
                stand.await_rows(3900, name, seconds=60)
        assert same(stand.rows(), expected(frames["AAPL"]))
        assert same(stand.rows(names[-1]), expected(frames[names[-1]]))
