"""Splits and cash dividends: when they take effect, what they do to the price, and when they are announced."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from producers.simulated.tickers import Company
from producers.simulated.timeline import Timeline
from shared.contracts.bars import OBSERVED
from shared.contracts.facts import CorporateAction

QUARTER = 63  # sessions between two dividends
_SPLIT_NOTICE = 10  # sessions between announcement and ex-date
_DIVIDEND_NOTICE = 15
_LONGEST_NOTICE = max(_SPLIT_NOTICE, _DIVIDEND_NOTICE)


@dataclass(frozen=True, slots=True)
class Effects:
    """What happens to a share before a session's open.

    Attributes:
        ratio: New shares for one old; 1 without a split.
        dividend: US cents a new share; 0 without a dividend.
    """

    ratio: int
    dividend: int


def effects(company: Company, ordinal: int) -> Effects:
    """Return what takes effect at the open of that session."""
    ratio = company.shares_for_one(ordinal) // company.shares_for_one(ordinal - 1)
    dividend = 0
    if company.dividend is not None:
        first, cents = company.dividend
        if ordinal >= first and (ordinal - first) % QUARTER == 0:
            dividend = max(1, round(cents / company.shares_for_one(ordinal)))
    return Effects(ratio, dividend)


def actions(company: Company, timeline: Timeline, since: datetime | None, until: datetime) -> list[CorporateAction]:
    """Return the actions announced in (since, until], in that order; none has an ex-date before the first session.

    Args:
        company: Whose.
        timeline: The world's sessions.
        since: Aware; None: from the beginning.
        until: Aware.
    """
    found = [a for a in _all_until(company, timeline, until) if since is None or a.known_at > since]
    return sorted(found, key=lambda action: (action.known_at, action.action))


def _all_until(company: Company, timeline: Timeline, until: datetime) -> Iterator[CorporateAction]:
    ordinal = 0
    while timeline.session(max(0, ordinal - _LONGEST_NOTICE)).open - timedelta(days=1) <= until:
        effect = effects(company, ordinal)
        common = {"ticker": company.ticker, "ex_date": timeline.session(ordinal).day, "known_basis": OBSERVED}
        common |= {"source": "simulated", "simulated": True}
        if effect.ratio != 1:
            known = timeline.session(ordinal - _SPLIT_NOTICE).at(16, 15)
            yield CorporateAction(action="split", ratio=float(effect.ratio), known_at=known, **common)
        if effect.dividend:
            known = timeline.session(ordinal - _DIVIDEND_NOTICE).at(8, 0)
            yield CorporateAction(action="dividend", amount=effect.dividend / 100, known_at=known, **common)
        ordinal += 1
