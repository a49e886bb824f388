"""FRED's vintages against a server whose truth is a list of events."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from producers.fred.settings import FredSettings
from producers.fred.source import FredVintages
from producers.source import Fact, Note, Refused
from shared.clock import ManualClock
from shared.contracts.calendar import NEW_YORK, is_session, next_open_after
from shared.contracts.facts import MacroVintage
from shared.errors import ConfigurationError, TransientError
from shared.testing.vendor_api import Cut, Fault, Reply, Reset, Silence
from shared.testing.vendor_fred import KEY, Event, FredApi

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
END = date(2026, 3, 31)


def monthly_events(seed: int = 1) -> list[Event]:
    """A monthly series from 2010 whose record begins in 2015, with revisions, gaps and a withdrawn observation."""
    generator = random.Random(seed)
    months = [date(2010 + m // 12, m % 12 + 1, 1) for m in range(16 * 12)]
    begins = date(2015, 3, 13)
    events = [Event(begins, m, f"{generator.uniform(90, 110):.3f}") for m in months if m < date(2015, 2, 1)]
    for i, month in enumerate(months):
        if month >= date(2015, 2, 1):
            release = month + timedelta(days=44)
            events.append(Event(release, month, "." if i % 17 == 0 else f"{generator.uniform(90, 110):.3f}"))
            events += [Event(release, m, f"{generator.uniform(90, 110):.3f}") for m in months[max(0, i - 2) : i]]
    events.append(Event(date(2020, 7, 1), months[3], None))
    return sorted(events, key=lambda e: (e.vintage, e.observed))


def daily_events(days: int, begins: date = date(2006, 1, 2)) -> list[Event]:
    """A daily series that is released on the day after; every 40th value is corrected 10 days later."""
    generator = random.Random(3)
    events = []
    for n in range(days):
        day = begins + timedelta(days=n)
        events.append(
            Event(day + timedelta(days=1), day, "." if day.weekday() == 5 else f"{generator.uniform(1, 5):.2f}")
        )
        if n % 40 == 0:
            events.append(Event(day + timedelta(days=11), day, f"{generator.uniform(1, 5):.2f}"))
    return sorted(events, key=lambda e: (e.vintage, e.observed))


def source_of(
    api: FredApi,
    clock: ManualClock,
    series: str = "CPI",
    start: date = date(2000, 1, 1),
    end: date = END,
    **given: object,
) -> FredVintages:
    settings = FredSettings.load(fred_api_key=KEY, fred_url=api.root, **given)
    return FredVintages(settings, [series], start, end, clock, clock.advance)


def vintages(source: FredVintages) -> list[MacroVintage]:
    items = [item for unit in source.units() for item in source.read(unit)]
    assert all(isinstance(item, Fact) for item in items)
    return [item.message for item in items if isinstance(item, Fact) and isinstance(item.message, MacroVintage)]


def known_on(day: date, facts: Iterable[MacroVintage]) -> dict[date, float]:
    """What a reader knows on `day`, by the dates of the vintages."""
    known: dict[date, tuple[date, float | None]] = {}
    for fact in facts:
        assert fact.vintage
        if fact.vintage <= day and (fact.date not in known or known[fact.date][0] < fact.vintage):
            known[fact.date] = (fact.vintage, fact.value)
    return {observed: value for observed, (_, value) in known.items() if value is not None}


def told_on(day: date, api: FredApi, series: str) -> Mapping[date, float]:
    return {observed: float(value) for observed, value in api.as_of(series, day).items() if value != "."}


def test_vintages_give_servers_as_of_answer_on_any_day() -> None:
    clock = ManualClock(NOW)
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, clock))
        for n in range(0, 4000, 13):
            day = date(2015, 3, 1) + timedelta(days=n)
            assert known_on(day, facts) == told_on(day, api, "CPI")


def test_vintages_none_is_told_twice_or_repeats_the_one_before() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, ManualClock(NOW)))
    assert len({(f.date, f.vintage) for f in facts}) == len(facts)
    by_date: dict[date, list[MacroVintage]] = {}
    for fact in sorted(facts, key=lambda f: (f.date, str(f.vintage))):
        by_date.setdefault(fact.date, []).append(fact)
    assert not [1 for told in by_date.values() for a, b in itertools.pairwise(told) if a.value == b.value]


@pytest.mark.parametrize(("most_rows", "days"), [(100_000, 4600), (1_000, 2500)])
def test_daily_series_beyond_the_limits_equals_the_truth(most_rows: int, days: int) -> None:
    events = daily_events(days)
    clock = ManualClock(NOW)
    with FredApi({"DGS10": events}, most_rows=most_rows) as api:
        facts = vintages(source_of(api, clock, "DGS10"))
        assert {a.status for a in api.asked} == {200}
        requests = sum("observations" in a.path for a in api.asked)
    assert requests > 2
    expected = {(e.vintage, e.observed, None if e.value in (None, ".") else float(e.value)) for e in events}
    repeated = {
        (b.vintage, b.observed) for a, b in _successive(events) if a.value == b.value
    }  # a correction to the same value is no news
    assert {(f.vintage, f.date, f.value) for f in facts} == {e for e in expected if (e[0], e[1]) not in repeated}
    assert len(facts) == len(expected) - len(repeated)


def _successive(events: list[Event]) -> list[tuple[Event, Event]]:
    by_date: dict[date, list[Event]] = {}
    for event in events:
        by_date.setdefault(event.observed, []).append(event)
    return [pair for told in by_date.values() for pair in itertools.pairwise(told)]


def test_released_at_is_the_next_sessions_open_never_earlier() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, ManualClock(NOW)))
    for fact in facts:
        assert fact.vintage
        day = fact.vintage + timedelta(days=1)
        while not is_session(day):
            day += timedelta(days=1)
        local = fact.released_at.astimezone(NEW_YORK)
        assert (local.date(), local.hour, local.minute) == (day, 9, 30)
        assert fact.released_at == next_open_after(fact.vintage)
        assert not fact.latest_vintage


def test_values_at_the_beginning_of_alfreds_record_are_marked() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, ManualClock(NOW)))
    marked = {f.vintage for f in facts if f.released_basis == "latest_plausible"}
    observed = {f.vintage for f in facts if f.released_basis == "observed"}
    assert marked == {date(2015, 3, 13)}
    assert date(2015, 3, 13) not in observed


def test_missing_and_withdrawn_values_are_null() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, ManualClock(NOW)))
    assert [f.value for f in facts if (f.date, f.vintage) == (date(2010, 4, 1), date(2020, 7, 1))] == [None]
    assert sum(f.value is None for f in facts) > 5


def test_range_bounds_observations_by_start_and_vintages_by_end() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        facts = vintages(source_of(api, ManualClock(NOW), start=date(2018, 1, 1), end=date(2019, 6, 30)))
        assert known_on(date(2019, 6, 30), facts) == {
            k: v for k, v in told_on(date(2019, 6, 30), api, "CPI").items() if k >= date(2018, 1, 1)
        }
    assert max(f.vintage for f in facts if f.vintage) <= date(2019, 6, 30)


def test_reading_a_unit_again_gives_the_same_items() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        first, second = (source_of(api, ManualClock(NOW)) for _ in range(2))
        assert first.identity == second.identity
        assert list(first.units()) == list(second.units())
        unit = first.units()[0]
        assert list(first.read(unit)) == list(first.read(unit)) == list(second.read(unit))


def test_todays_vintages_are_left_for_tomorrow() -> None:
    clock = ManualClock(datetime(2024, 5, 16, 3, tzinfo=UTC))  # still the 15th in New York
    with FredApi({"CPI": monthly_events()}) as api:
        source = source_of(api, clock, end=date(2030, 1, 1))
        facts = vintages(source)
    assert source.identity["end"] == "2024-05-14"
    assert max(f.vintage for f in facts if f.vintage) == date(2024, 4, 14)


def test_series_without_vintages_in_the_range_is_noted() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        source = source_of(api, ManualClock(NOW), end=date(2014, 1, 1))
        items = list(source.read(source.units()[0]))
    assert [type(item) for item in items] == [Note]


def test_text_in_a_value_is_refused_and_the_rest_goes_on() -> None:
    events = [Event(date(2020, 1, 2), date(2020, 1, 1), "n/a"), Event(date(2020, 1, 3), date(2020, 1, 2), "1.5")]
    with FredApi({"X": events}) as api:
        source = source_of(api, ManualClock(NOW), "X")
        bad, good = source.read(source.units()[0])
    assert isinstance(bad, Refused)
    assert bad.error_class == "bad_observation"
    assert b"n/a" in bad.raw
    assert isinstance(good, Fact)


@pytest.mark.parametrize(
    "faults",
    [
        [Reply(500, b"oops")],
        [Reply(503, b"<html>"), Reply(502), Reply(504)],
        [Reset(), Reset()],
        [Cut()],
        [Reply(200, b"<observations><observation")],
        [Reply(200, b'{"not": "xml"}')],
        [Silence()],
        [Reply(429, b"<error code='429' message='Too Many Requests.'/>", {"Retry-After": "20"})],
    ],
)
def test_passing_fault_is_retried_and_nothing_is_lost(faults: list[Fault]) -> None:
    clock = ManualClock(NOW)
    with FredApi({"CPI": monthly_events()}) as api:
        calm = vintages(source_of(api, clock))
        source = source_of(api, clock, fred_timeout_seconds=0.3 if Silence() in faults else 5.0)
        started = clock.monotonic()
        api.fail_next(*faults)
        assert vintages(source) == calm
        assert clock.monotonic() > started
    if isinstance(faults[0], Reply) and faults[0].status == 429:
        assert clock.monotonic() - started >= 20


def test_lasting_fault_becomes_a_transient_error_within_its_bounds() -> None:
    clock = ManualClock(NOW)
    with FredApi({"CPI": monthly_events()}) as api:
        source = source_of(api, clock, fred_retry_seconds=60)
        api.fail_next(*[Reply(500)] * 1000)
        with pytest.raises(TransientError, match="FRED did not answer: status 500") as caught:
            vintages(source)
        assert 5 < len(api.asked) < 40
    assert clock.monotonic() <= 60
    assert "\n" not in str(caught.value)


def test_unreachable_server_does_not_show_the_key() -> None:
    settings = FredSettings.load(fred_api_key=KEY, fred_url="http://127.0.0.1:9/fred", fred_retry_seconds=5)
    clock = ManualClock(NOW)
    source = FredVintages(settings, ["CPI"], date(2000, 1, 1), END, clock, clock.advance)
    with pytest.raises(TransientError) as caught:
        vintages(source)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(error)
        error = error.__cause__


def test_refused_key_names_its_setting() -> None:
    with FredApi({"CPI": monthly_events()}) as api:
        settings = FredSettings.load(fred_api_key="wrong", fred_url=api.root)
        clock = ManualClock(NOW)
        with pytest.raises(ConfigurationError, match="FRED_API_KEY") as caught:
            vintages(FredVintages(settings, ["CPI"], date(2000, 1, 1), END, clock, clock.advance))
        assert len(api.asked) == 1
    assert "\n" not in str(caught.value)


def test_unknown_series_is_a_configuration_error() -> None:
    with FredApi({"CPI": monthly_events()}) as api, pytest.raises(ConfigurationError, match="series does not exist"):
        vintages(source_of(api, ManualClock(NOW), "NOPE"))


def test_missing_key_is_one_line_that_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRED_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="FRED_API_KEY") as caught:
        FredSettings.load()
    assert "\n" not in str(caught.value)


def test_rate_limit_is_never_exceeded() -> None:
    clock = ManualClock(NOW)
    names = [f"S{n}" for n in range(40)]
    with FredApi({n: monthly_events(i)[:30] for i, n in enumerate(names)}, clock=clock, per_minute=10) as api:
        settings = FredSettings.load(fred_api_key=KEY, fred_url=api.root, fred_requests_per_minute=10)
        vintages(FredVintages(settings, names, date(2000, 1, 1), END, clock, clock.advance))
        times = [a.at for a in api.asked]
        assert {a.status for a in api.asked} == {200}
    assert len(times) == 80
    assert all(bisect_right(times, t + 59.999) - i <= 10 for i, t in enumerate(times))


@pytest.mark.parametrize("series", [[], ["SIM.CPI"]])
def test_series_that_cannot_be_asked_for_are_refused(series: list[str]) -> None:
    settings = FredSettings.load(fred_api_key=KEY)
    with pytest.raises(ConfigurationError):
        FredVintages(settings, series, date(2000, 1, 1), END, ManualClock(NOW))
