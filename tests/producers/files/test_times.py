"""Times against Python's own datetime and zoneinfo."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from producers.files.times import TimeReader
from shared.errors import PoisonMessageError

NEW_YORK = ZoneInfo("America/New_York")
MINUTES = st.datetimes(datetime(1990, 1, 1), datetime(2038, 1, 1)).map(  # noqa: DTZ001  naive on purpose
    lambda t: t.replace(second=0, microsecond=0, fold=0)
)
FORMATS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d %H:%M:%S"]
ZONES = ["+00:00", "Z", " UTC", "-05:00", "-0500", " +0530", "+00"]


def instants(times: list[object], timezone: str | None = None) -> list[datetime | None]:
    return TimeReader(timezone).read(pl.Series(times))[0].to_list()


@given(st.lists(MINUTES, min_size=1, max_size=5), st.sampled_from(FORMATS))
def test_naive_local_times_become_the_instant_or_are_refused(times: list[datetime], form: str) -> None:
    found, why = TimeReader("America/New_York").read(pl.Series([t.strftime(form) for t in times]))
    for naive, instant, reason in zip(times, found, why, strict=True):
        both = {naive.replace(tzinfo=NEW_YORK, fold=fold).astimezone(UTC) for fold in (0, 1)}
        if len(both) == 1:
            assert instant == both.pop()
            assert reason is None
        else:  # shown twice or never
            assert instant is None
            assert "twice or never" in reason


@given(MINUTES, st.sampled_from(FORMATS), st.sampled_from(ZONES))
def test_aware_times_become_the_instant(time: datetime, form: str, zone: str) -> None:
    offset = {"-05:00": -300, "-0500": -300, " +0530": 330}.get(zone, 0)
    expected = time.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert instants([time.strftime(form) + zone]) == [expected]


@given(MINUTES, st.sampled_from([1, 10**3, 10**6, 10**9]), st.booleans())
def test_epoch_counts_become_the_instant(time: datetime, units: int, as_text: bool) -> None:
    seconds = int(time.replace(tzinfo=UTC).timestamp())
    count = seconds * units
    assert instants([str(count) if as_text else count]) == [time.replace(tzinfo=UTC)]


@given(MINUTES, st.integers(1, 999))
def test_epoch_nanoseconds_inside_a_microsecond_do_not_become_a_whole_minute(time: datetime, extra: int) -> None:
    count = int(time.replace(tzinfo=UTC).timestamp()) * 10**9 + extra
    assume(len(str(count)) == 19)
    assert instants([count]) != [time.replace(tzinfo=UTC)]


def test_rows_written_in_another_way_are_read_in_their_own() -> None:
    found, why = TimeReader("America/New_York").read(
        pl.Series(["2025-01-06 09:30:00", "2025-01-06T14:31:00Z", "2025-01-06 9:32", "06.01.2025 09:33", None])
    )
    at = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
    assert found.to_list() == [at, at + timedelta(minutes=1), at + timedelta(minutes=2), None, None]
    assert why.to_list()[:3] == [None] * 3
    assert why.to_list()[3:] == ["the time '06.01.2025 09:33' cannot be read", "timestamp is missing"]


def test_naive_row_in_an_aware_file_is_refused_without_a_timezone() -> None:
    found, why = TimeReader(None).read(pl.Series(["2025-01-06 14:30:00+00:00", "2025-01-06 14:31:00"]))
    assert found[1] is None
    assert "has no zone" in why[1]


@pytest.mark.parametrize(
    ("times", "error_class"),
    [
        (["2025-01-06 09:30:00"], "no_timezone"),
        ([datetime(2025, 1, 6, 9, 30)], "no_timezone"),  # noqa: DTZ001  naive on purpose
        (["2025-01-06"], "bad_spacing"),
        ([datetime(2025, 1, 6).date()], "bad_spacing"),  # noqa: DTZ001
        (["01/06/2025 09:30"], "bad_time"),  # which is the month?
        (["soon"], "bad_time"),
        ([None], "bad_time"),
    ],
)
def test_files_without_sure_times_are_refused_as_a_whole(times: list[object], error_class: str) -> None:
    with pytest.raises(PoisonMessageError) as refusal:
        TimeReader(None).read(pl.Series(times))
    assert refusal.value.error_class == error_class
    assert ("--timezone" in refusal.value.reason) == (error_class == "no_timezone")
