"""Quarterly and annual filings: statements in the usual vendors' field names, filed weeks after the period's end."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from producers.simulated.economy import month_after
from producers.simulated.seeds import Stream, generator
from producers.simulated.statements import Quarter, overstated, quarters, statement
from producers.simulated.tickers import Company
from producers.simulated.timeline import Timeline, new_york, on_or_after
from shared.contracts.facts import Filing

_YEARS_BEFORE = 3  # fiscal years before the first session's year
_RESTATED_PERIOD = "Q3"  # of the year before the first session's, by the tickers that restate
_RESTATED_AFTER = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class _Period:
    """A fiscal quarter: its fiscal year, number 1 to 4, and last day."""

    year: int
    number: int
    end: date


def filings(company: Company, timeline: Timeline, since: datetime | None, until: datetime) -> list[Filing]:
    """Return the company's filings accepted in (since, until], in order of acceptance.

    Args:
        company: Whose.
        timeline: The world's sessions.
        since: Aware; None: from the beginning, three fiscal years before the first session's year.
        until: Aware.
    """
    found = [f for f in _all_until(company, timeline, until) if f.filed_at <= until]
    return sorted((f for f in found if since is None or f.filed_at > since), key=lambda f: (f.filed_at, f.period))


def _all_until(company: Company, timeline: Timeline, until: datetime) -> Iterator[Filing]:
    begins = timeline.session(0).day.year - _YEARS_BEFORE
    known: list[Quarter] = []
    for number, figures in enumerate(quarters(company)):
        period = _period(company, begins + number // 4, number % 4 + 1)
        if period.end >= until.date():
            return
        known = [*known[-3:], figures]
        filed = _filed_at(company, period)
        is_restated = company.role.restates and period.number == 3 and period.year == timeline.session(0).day.year - 1
        first = overstated(figures) if is_restated else figures
        shares = _shares_for_one(company, timeline, filed)
        yield _filing(company, period, f"Q{period.number}", filed, statement([first], shares))
        if is_restated:
            again = new_york(on_or_after((filed + _RESTATED_AFTER).date()), 16, 45)
            shares = _shares_for_one(company, timeline, again)
            yield _filing(company, period, _RESTATED_PERIOD, again, statement([figures], shares))
        if period.number == 4:
            yield _filing(company, period, "FY", filed, statement(known, shares))


def _period(company: Company, year: int, number: int) -> _Period:
    """Return the quarter; a fiscal year bears the number of the calendar year that most of it lies in."""
    ends_in_next = company.role.year_end < 6
    last = date(year + ends_in_next, company.role.year_end, 1)
    first_of_last_month = month_after(last, -3 * (4 - number))
    days = monthrange(first_of_last_month.year, first_of_last_month.month)[1]
    return _Period(year, number, first_of_last_month.replace(day=days))


def _filed_at(company: Company, period: _Period) -> datetime:
    """Return when the filing was accepted: 20 to 45 days after the period's end, before the open or after the close."""
    rng: np.random.Generator = generator(company.seed, Stream.FILINGS, company.index, period.year, period.number)
    delay, early, minute, second = rng.random(4).tolist()
    day = on_or_after(period.end + timedelta(days=20 + int(delay * 21)))
    opening = new_york(day, 6, 30) if early < 0.5 else new_york(day, 16, 5)
    return opening + timedelta(minutes=int(minute * 85), seconds=int(second * 60))


def _shares_for_one(company: Company, timeline: Timeline, at: datetime) -> int:
    """Return the split factor at that instant: a filing tells shares as of its own time."""
    if company.split_session is None or at < timeline.session(company.split_session).open:
        return 1
    return company.shares_for_one(company.split_session)


def _filing(
    company: Company, period: _Period, name: str, filed: datetime, fields: dict[str, float | str | None]
) -> Filing:
    return Filing.model_validate(
        {
            "symbol": company.ticker,
            "period": name,
            "period_end": period.end,
            "calendarYear": period.year,
            "filed_at": filed,
            "filed_basis": "accepted",
            "source": "simulated",
            "simulated": True,
            **fields,
        }
    )
