"""Alpaca's history against a server in the documented shape; what it serves is the truth."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from producers.alpaca.settings import AlpacaSettings
from producers.alpaca.source import AlpacaHistory
from producers.source import Bars, Fact, Item, Note, Refused
from shared.clock import ManualClock
from shared.contracts.bars import BAR_COLUMNS, split_valid
from shared.contracts.weeks import IsoWeek
from shared.errors import ConfigurationError, TransientError
from shared.testing.vendor_alpaca import FEED_REFUSED, KEY, SECRET, AlpacaApi, RawBar, made_bars
from shared.testing.vendor_api import Cut, Fault, Reply, Reset, Silence

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
START, END = date(2023, 12, 27), date(2024, 1, 26)
TICKERS = ("AAPL", "BRK.B")
FIELDS = ("open", "high", "low", "close", "volume", "trade_count", "vwap")
TRUTH = {ticker: made_bars(ticker, START, END) for ticker in TICKERS}


def source_of(api: AlpacaApi, clock: ManualClock, tickers: Iterable[str] = TICKERS, **given: Any) -> AlpacaHistory:
    keys = {"alpaca_api_key": KEY, "alpaca_secret_key": SECRET, "alpaca_data_url": api.url}
    settings = AlpacaSettings.load(**(keys | given))
    return AlpacaHistory(settings, tuple(tickers), START, END, clock, clock.advance)


def items_of(source: AlpacaHistory) -> list[Item]:
    return [item for unit in source.units() for item in source.read(unit)]


def frames_of(items: Iterable[Item]) -> list[pl.DataFrame]:
    return [item.frame for item in items if isinstance(item, Bars)]


def row_of(ticker: str, bar: RawBar) -> tuple[Any, ...]:
    return ticker, bar["t"], *(float(bar[key]) for key in "ohlcv"), bar["n"], bar["vw"]


def rows_of(items: Iterable[Item]) -> list[tuple[Any, ...]]:
    """What was read, in the form of `row_of`: nothing of the source's own code."""
    return [
        (r["ticker"], r["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"), *(r[name] for name in FIELDS))
        for frame in frames_of(items)
        for r in frame.iter_rows(named=True)
    ]


def served(truth: dict[str, list[RawBar]] = TRUTH) -> list[tuple[Any, ...]]:
    return sorted(row_of(ticker, bar) for ticker, bars in truth.items() for bar in bars)


@pytest.mark.parametrize("page_rows", [10_000, 777])
def test_every_bar_served_is_read_exactly_once(page_rows: int) -> None:
    with AlpacaApi(TRUTH, page_rows=page_rows) as api:
        items = items_of(source_of(api, ManualClock(NOW)))
    assert sorted(rows_of(items)) == served()
    assert not [item for item in items if isinstance(item, Bars) and item.duplicates]


def test_bars_are_raw_nominal_and_of_one_ticker_and_week() -> None:
    with AlpacaApi(TRUTH) as api:
        frames = frames_of(items_of(source_of(api, ManualClock(NOW))))
        asked = [a.query for a in api.asked if a.path == "/v2/stocks/bars"]
    for frame in frames:
        assert frame.schema == pl.Schema(BAR_COLUMNS)
        assert frame["ticker"].n_unique() == 1
        assert len({IsoWeek.of(t) for t in frame["timestamp"]}) == 1
        valid, refused = split_valid(frame)
        assert refused.is_empty()
        assert (valid["known_at"] - valid["timestamp"] == timedelta(minutes=1)).all()
        assert valid.select("known_basis", "source", "feed", "adjusted", "simulated").unique().rows() == [
            ("nominal", "alpaca", "iex", False, False)
        ]
    assert {(q["adjustment"], q["feed"], q["asof"]) for q in asked} == {("raw", "iex", END.isoformat())}


def test_week_of_a_ticker_comes_whole_from_one_unit() -> None:
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, ManualClock(NOW))
        seen = [
            (frame["ticker"][0], IsoWeek.of(frame["timestamp"][0]))
            for unit in source.units()
            for frame in frames_of(source.read(unit))
        ]
    assert len(seen) == len(set(seen))


def test_run_that_crashed_goes_on_by_units() -> None:
    """Units that were done are not read again; the others, also one that broke off, give what is missing."""
    with AlpacaApi(TRUTH, page_rows=500) as api:
        first = source_of(api, ManualClock(NOW))
        units = first.units()
        done = [item for unit in units[:3] for item in first.read(unit)]
        broken = first.read(units[3])
        next(broken)
        second = source_of(api, ManualClock(NOW))
        assert second.units() == units
        assert second.identity == first.identity
        rest = [item for unit in units[3:] for item in second.read(unit)]
    assert sorted(rows_of(done + rest)) == served()


def test_reading_a_unit_again_gives_the_same_items() -> None:
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, ManualClock(NOW))
        for unit in source.units():
            once, twice = frames_of(source.read(unit)), frames_of(source.read(unit))
            assert len(once) == len(twice)
            assert all(a.equals(b) for a, b in zip(once, twice, strict=True))


def test_late_bars_of_the_last_new_york_day_belong_to_the_range() -> None:
    late = {**TRUTH["AAPL"][-1], "t": "2024-01-27T00:59:00Z"}  # 19:59 in New York on the last day
    next_day = {**late, "t": "2024-01-27T05:00:00Z"}
    with AlpacaApi({"AAPL": [*TRUTH["AAPL"], late, next_day]}) as api:
        times = {row[1] for row in rows_of(items_of(source_of(api, ManualClock(NOW), ["AAPL"])))}
    assert late["t"] in times
    assert next_day["t"] not in times


def test_todays_bars_are_left_to_the_live_producer() -> None:
    clock = ManualClock(datetime(2024, 1, 10, 3, tzinfo=UTC))  # still the 9th in New York
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, clock, ["AAPL"])
        items = items_of(source)
    assert source.identity["end"] == "2024-01-08"
    assert max(row[1] for row in rows_of(items)) < "2024-01-09T05:00:00Z"
    assert [item.text for item in items if isinstance(item, Note)]


def test_repeated_bars_are_kept_once_and_counted() -> None:
    bars = TRUTH["AAPL"]
    with AlpacaApi({"AAPL": sorted([*bars, *bars[100:110]], key=lambda b: str(b["t"]))}) as api:
        items = items_of(source_of(api, ManualClock(NOW), ["AAPL"]))
    assert sorted(rows_of(items)) == served({"AAPL": bars})
    assert sum(item.duplicates for item in items if isinstance(item, Bars)) == 10


def test_record_of_a_wrong_type_is_refused_and_the_rest_is_read() -> None:
    bars = TRUTH["AAPL"]
    bad = [{**bars[3], "c": "12.5"}, {**bars[4], "t": None}, {**bars[5], "n": 1.5}, {**bars[6], "o": True}]
    with AlpacaApi({"AAPL": [*bars[:3], *bars[7:]]}) as api:
        # Served as they are: the server filters by time, so the faulty ones come in a page of their own.
        source = source_of(api, ManualClock(NOW), ["AAPL"])
        unit = next(u for u in source.units() if u.id.startswith("bars/"))
        api.fail_next(Reply.of({"bars": {"AAPL": [*bars[:3], *bad]}, "next_page_token": None}))
        items = list(source.read(unit))
    refused = [item for item in items if isinstance(item, Refused)]
    assert sorted(rows_of(items)) == [row_of("AAPL", bar) for bar in bars[:3]]
    assert [(r.row, r.reason) for r in refused] == [
        (4, "c is not a number"),
        (5, "t is not a time"),
        (6, "n is not a whole number"),
        (7, "o is not a number"),
    ]
    assert b"12.5" in refused[0].raw


def test_missing_fields_stay_null() -> None:
    bar = {key: value for key, value in TRUTH["AAPL"][0].items() if key not in ("n", "vw")}
    with AlpacaApi({"AAPL": [bar]}) as api:
        (frame,) = frames_of(items_of(source_of(api, ManualClock(NOW), ["AAPL"])))
    assert frame.select("trade_count", "vwap").rows() == [(None, None)]
    assert split_valid(frame)[0].height == 1


def test_ticker_without_bars_reads_as_nothing() -> None:
    with AlpacaApi({}) as api:
        assert items_of(source_of(api, ManualClock(NOW), ["AAPL"])) == []
        source = source_of(api, ManualClock(NOW), ["AAPL"])
        for unit, name in zip(source.units(), ("corporate_actions", "bars"), strict=False):
            api.fail_next(Reply.of({name: None, "next_page_token": None}))
            assert list(source.read(unit)) == []


@pytest.mark.parametrize(
    "faults",
    [
        [Reply(500, b"oops"), Reply(502), Reply(503)],
        [Reply(504), Reply(504), Reply(504), Reply(504), Reply(504)],
        [Reset(), Reset()],
        [Cut(), Cut()],
        [Reply(200, b'{"bars": {"AA')],
        [Reply(200, b"[]"), Reply(200, b'{"message": "maintenance"}'), Reply(200, b'{"bars": 7}')],
        [Silence()],
        [Reply(429, b'{"message": "too many requests."}', {"Retry-After": "17"})],
    ],
)
def test_passing_fault_is_retried_and_nothing_is_lost(faults: list[Fault]) -> None:
    clock = ManualClock(NOW)
    with AlpacaApi(TRUTH, page_rows=500) as api:
        source = source_of(api, clock, alpaca_timeout_seconds=0.3 if Silence() in faults else 5.0)
        units = source.units()
        items: list[Item] = []
        for number, unit in enumerate(units):
            if number == 3:
                api.fail_next(*faults)
            items += source.read(unit)
    assert sorted(rows_of(items)) == served()
    assert clock.monotonic() > 0
    if isinstance(faults[0], Reply) and faults[0].status == 429:
        assert clock.monotonic() >= 17


def test_fault_between_pages_repeats_that_page_only() -> None:
    clock = ManualClock(NOW)
    with AlpacaApi({"AAPL": TRUTH["AAPL"]}, page_rows=100) as api:
        source = source_of(api, clock, ["AAPL"])
        actions, unit, *_ = source.units()
        list(source.read(actions))
        calm = rows_of(source.read(unit))
        pages = len(api.asked) - 1
        reading = source.read(unit)
        api.fail_next(Reply(500), Reply(500))
        assert rows_of(reading) == calm
        assert len(api.asked) == 1 + pages + pages + 2
    assert pages > 10


def test_lasting_fault_becomes_a_transient_error_within_its_bounds() -> None:
    clock = ManualClock(NOW)
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, clock, alpaca_retry_seconds=90)
        api.fail_next(*[Reply(503)] * 1000)
        with pytest.raises(TransientError, match="Alpaca did not answer: status 503") as caught:
            items_of(source)
        assert 5 < len(api.asked) < 50
    assert clock.monotonic() <= 90
    assert "\n" not in str(caught.value)


def test_client_keeps_within_the_rate_limit() -> None:
    clock = ManualClock(NOW)
    with AlpacaApi(TRUTH, page_rows=400, clock=clock, per_minute=20) as api:
        items = items_of(source_of(api, clock, alpaca_requests_per_minute=20))
        times = [a.at for a in api.asked]
        assert {a.status for a in api.asked} == {200}
    assert sorted(rows_of(items)) == served()
    assert len(times) > 40
    assert all(bisect_right(times, t + 59.999) - i <= 20 for i, t in enumerate(times))
    assert clock.monotonic() < 60 * (len(times) / 20 + 1)


def test_limit_that_others_use_up_is_waited_for() -> None:
    """The client believes in 200 a minute, the server allows 30: the 429's reset time is honoured."""
    clock = ManualClock(NOW)
    with AlpacaApi(TRUTH, page_rows=400, clock=clock, per_minute=30) as api:
        items = items_of(source_of(api, clock, alpaca_requests_per_minute=200))
        refused = [a for a in api.asked if a.status == 429]
        minutes = len(api.asked) / 30
    assert sorted(rows_of(items)) == served()
    assert 0 < len(refused) <= minutes + 1


@pytest.mark.parametrize("reply", [Reply.of({"message": "forbidden."}, 403), Reply(401, b"unauthorized")])
def test_refused_keys_are_named(reply: Reply) -> None:
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, ManualClock(NOW))
        api.fail_next(reply)
        with pytest.raises(ConfigurationError, match="ALPACA_API_KEY, ALPACA_SECRET_KEY") as caught:
            items_of(source)
        assert len(api.asked) == 1
    assert "\n" not in str(caught.value)


def test_wrong_secret_is_refused_by_the_server() -> None:
    with AlpacaApi(TRUTH) as api, pytest.raises(ConfigurationError, match="ALPACA_SECRET_KEY"):
        items_of(source_of(api, ManualClock(NOW), alpaca_secret_key="wrong"))


def test_feed_beyond_the_plan_is_named() -> None:
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, ManualClock(NOW), alpaca_feed="sip")
        with pytest.raises(ConfigurationError, match="ALPACA_FEED") as caught:
            items_of(source)
    assert str(caught.value).startswith("ALPACA_FEED")
    assert FEED_REFUSED.body.decode().split('"')[3] in str(caught.value)


def test_delayed_feed_is_the_sip_in_history() -> None:
    with AlpacaApi({"AAPL": TRUTH["AAPL"][:5]}, feeds=["sip"]) as api:
        (frame,) = frames_of(items_of(source_of(api, ManualClock(NOW), ["AAPL"], alpaca_feed="delayed_sip")))
    assert frame["feed"].unique().to_list() == ["sip"]


def test_bad_symbol_is_one_line_with_alpacas_words() -> None:
    with AlpacaApi(TRUTH) as api:
        source = source_of(api, ManualClock(NOW), ["AA-PL"])
        with pytest.raises(ConfigurationError, match="invalid symbol: AA-PL"):
            items_of(source)


@pytest.mark.parametrize("missing", ["ALPACA_API_KEY", "ALPACA_SECRET_KEY"])
def test_missing_key_is_one_line_that_names_the_setting(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.setenv(name, "given")
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigurationError, match=f"^{missing}: ") as caught:
        AlpacaSettings.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tickers", [[], ["AAPL", "SIM.AA"]])
def test_tickers_that_cannot_be_asked_for_are_refused(tickers: list[str]) -> None:
    with AlpacaApi({}) as api, pytest.raises(ConfigurationError):
        source_of(api, ManualClock(NOW), tickers)


def test_range_that_begins_today_is_refused() -> None:
    with AlpacaApi({}) as api, pytest.raises(ConfigurationError, match="--live"):
        source_of(api, ManualClock(datetime(2023, 12, 27, 20, tzinfo=UTC)))


def test_facts_come_before_bars() -> None:
    split = {"symbol": "AAPL", "new_rate": 4, "old_rate": 1, "process_date": "2024-01-03", "ex_date": "2024-01-03"}
    with AlpacaApi(TRUTH, {"forward_splits": [split]}) as api:
        items = items_of(source_of(api, ManualClock(NOW)))
    assert isinstance(items[0], Fact)
    assert not [item for item in items[1:] if isinstance(item, Fact)]
