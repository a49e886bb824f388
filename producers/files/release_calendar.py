"""When an observation of a macro series was released, where the source does not tell: rules and their exceptions.

A rule gives a date by which the first release was out in normal times, the exceptions give the dates of releases that
shutdowns moved. Where the exact date is not known, the latest plausible one stands: a value then counts as known too
late, never too early.
"""

import calendar
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from shared.contracts.calendar import EARLIEST, next_open_after, next_session
from shared.contracts.facts import ReleasedBasis

Kind = Literal["month", "bank_day", "same_day"]
# For a series without a rule: days after the period's end by its frequency, later than any release that we know of.
_UNKNOWN_DAYS: Final = {1: 7, 7: 14, 31: 75, 92: 130, 366: 400}


@dataclass(frozen=True, slots=True)
class Rule:
    """How one series is released, for observations from `since` on.

    Attributes:
        since: First observation date.
        kind: month: on `day` of the month that is `months` after the observation's (31 = its last day);
            bank_day: the day after on which the Federal Reserve publishes; same_day: the evening of the day itself.
        months: See kind.
        day: See kind.
        basis: Whether the date is exact or a bound.
    """

    since: date
    kind: Kind
    months: int
    day: int
    basis: ReleasedBasis

    def released(self, observed: date) -> date:
        """Return the date of release."""
        if self.kind == "same_day":
            return observed
        if self.kind == "bank_day":
            return _bank_day_after(observed)
        year, month = divmod(observed.year * 12 + observed.month - 1 + self.months, 12)
        return date(year, month + 1, min(self.day, calendar.monthrange(year, month + 1)[1]))


def release_of(series: str, observed: date, period_days: int) -> tuple[datetime, ReleasedBasis]:
    """Return when an observation counts as known (aware, UTC: the open of the session after its release), and why.

    Args:
        series: FRED's name.
        observed: The observation's date, the first day of its period.
        period_days: Days between two observations, for series without a rule.
    """
    moved = _exceptions().get((series, observed))
    if moved is not None:
        return next_open_after(moved), "calendar"
    rules = [rule for rule in _rules().get(series, ()) if rule.since <= observed]
    if rules:
        rule = max(rules, key=lambda r: r.since)
        return next_open_after(max(rule.released(observed), EARLIEST)), rule.basis
    length = next((days for days in _UNKNOWN_DAYS if period_days <= days), max(_UNKNOWN_DAYS))
    released = observed + timedelta(days=length + _UNKNOWN_DAYS[length])
    return next_open_after(max(released, EARLIEST)), "latest_plausible"


def _bank_day_after(day: date) -> date:
    """Return the next session on which the Federal Reserve publishes its daily rates of `day`."""
    following = next_session(max(day, EARLIEST))
    while _bank_holiday(following):
        following = next_session(following)
    return following


def _bank_holiday(day: date) -> bool:
    """Return whether banks may be closed although the exchange is open: Columbus Day and Veterans Day, and around."""
    columbus = day.month == 10 and day.weekday() == 0 and 8 <= day.day <= 14
    return columbus or (day.month == 11 and 10 <= day.day <= 12)


@cache
def _rules() -> Mapping[str, tuple[Rule, ...]]:
    rules: dict[str, tuple[Rule, ...]] = {}
    for row in _table("release_rules.csv"):
        rule = Rule(
            date.fromisoformat(row["since"]),
            _kind(row["kind"]),
            int(row["months"] or 0),
            int(row["day"] or 0),
            "calendar" if row["basis"] == "calendar" else "latest_plausible",
        )
        rules[row["series"]] = (*rules.get(row["series"], ()), rule)
    return rules


def _kind(text: str) -> Kind:
    kinds: dict[str, Kind] = {"month": "month", "bank_day": "bank_day", "same_day": "same_day"}
    return kinds[text]


@cache
def _exceptions() -> Mapping[tuple[str, date], date]:
    rows = _table("release_exceptions.csv")
    return {(r["series"], date.fromisoformat(r["date"])): date.fromisoformat(r["released"]) for r in rows}


def _table(name: str) -> list[dict[str, str]]:
    text = files("producers.files").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
