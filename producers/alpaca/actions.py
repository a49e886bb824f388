"""Splits and cash dividends from Alpaca's corporate actions, as facts of the contract.

Alpaca states no date of declaration. Its `process_date` is when Alpaca books an action, for dividends about the
payable date and so after the ex-date: too late to be the known time, for the whole market trades without the dividend
from the ex-date on. Exchanges announce ex-dates before the session, so an action counts as known at the open of its
ex-date's session (of the next one where that is none), basis nominal: the latest plausible instant, never an earlier
one. The request filters by `process_date`, therefore it asks for a wider range and the ex-date decides here.

Stock dividends, spin-offs, mergers and rights are no splits or cash dividends of one ticker and are not asked for.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from alpaca.data.enums import CorporateActionsType
from alpaca.data.requests import CorporateActionsRequest
from pydantic import ValidationError

from producers.alpaca.bars import NAME, refused
from producers.alpaca.client import ActionsClient
from producers.source import Fact, Item, Refused
from shared.contracts.bars import NOMINAL
from shared.contracts.calendar import is_session, next_open_after, session_open
from shared.contracts.facts import CorporateAction

TYPES: Final = [
    CorporateActionsType.FORWARD_SPLIT,
    CorporateActionsType.REVERSE_SPLIT,
    CorporateActionsType.UNIT_SPLIT,
    CorporateActionsType.CASH_DIVIDEND,
]
SPLITS: Final = ("forward_splits", "reverse_splits")
BOOKED_BEFORE: Final = timedelta(days=60)
BOOKED_AFTER: Final = timedelta(days=180)


def read_actions(client: ActionsClient, ticker: str, start: date, end: date) -> Iterator[Item]:
    """Yield the splits and cash dividends of `ticker` with ex-dates in [start, end], in order of ex-date.

    Raises:
        TransientError: Alpaca did not answer within the bounds of retry.
        ConfigurationError: the keys are refused.
    """
    request = CorporateActionsRequest(
        symbols=[ticker],
        types=TYPES,
        start=start - BOOKED_BEFORE,
        end=end + BOOKED_AFTER,
        limit=None,  # all of them; alpaca-py's default of 1,000 would end the paging there
    )
    answer = client.get_corporate_actions(request)
    assert isinstance(answer, dict)  # noqa: S101  raw_data=True always gives one
    records = {json.dumps(r, sort_keys=True): (kind, r) for kind, listed in answer.items() for r in listed or []}
    facts: list[CorporateAction] = []
    for row, (_, (kind, record)) in enumerate(sorted(records.items()), start=1):
        read = _action_of(kind, record, ticker, row)
        if isinstance(read, Refused):
            yield read
        elif start <= read.ex_date <= end:
            facts.append(read)
    yield from (Fact(ticker, fact, NAME) for fact in _told_apart(facts))


def known_at(ex_date: date) -> datetime:
    """Return the open of the ex-date's session, or of the next session where that is none; aware, UTC."""
    return session_open(ex_date) if is_session(ex_date) else next_open_after(ex_date)


def _action_of(kind: str, record: Any, ticker: str, row: int) -> CorporateAction | Refused:
    """Return the action in one record, or why it cannot be one."""
    if not isinstance(record, Mapping):
        return refused({"type": kind, "record": record}, row, f"{kind}: not an object", "bad_action")
    try:
        given = _split(kind, record) if kind != "cash_dividends" else _dividend(record)
        ex_date = date.fromisoformat(str(record["effective_date" if kind == "unit_splits" else "ex_date"]))
        return CorporateAction(
            ticker=ticker,
            ex_date=ex_date,
            known_at=known_at(ex_date),
            known_basis=NOMINAL,
            source=NAME,
            **given,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f"{kind}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except KeyError as error:
        reason = f"{kind}: {error.args[0]} is missing"
    except (ValueError, TypeError, ZeroDivisionError) as error:
        reason = f"{kind}: {error}"
    return refused({"type": kind, **record}, row, reason, "bad_action")


def _split(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a split: `ratio` is new shares for one old."""
    if kind not in (*SPLITS, "unit_splits"):
        raise ValueError("not a kind of action that was asked for")
    if kind == "unit_splits" and record["new_symbol"] != record["old_symbol"]:
        raise ValueError("a unit that splits into other symbols has no ratio between prices of one ticker")
    return {"action": "split", "ratio": float(record["new_rate"]) / float(record["old_rate"])}


def _dividend(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a cash dividend; its label says what Alpaca says of it beyond the ordinary."""
    currency = record.get("currency") or "USD"  # empty is Alpaca's way to say US dollars
    if currency != "USD":
        raise ValueError(f"the amount is in {currency}, not in US dollars")
    marks = ["special" if record.get("special") else "", str(record.get("sub_type") or "").lower()]
    return {"action": "dividend", "amount": float(record["rate"]), "label": "_".join(m for m in marks if m)}


def _told_apart(facts: list[CorporateAction]) -> Iterator[CorporateAction]:
    """Yield the actions by ex-date; of several with one name on one ex-date the second and later get a number."""

    def name(fact: CorporateAction) -> tuple[date, str, str]:
        return fact.ex_date, fact.action, fact.label

    ordered = sorted(facts, key=lambda f: (*name(f), f.ratio or 0.0, f.amount or 0.0))
    for _, group in itertools.groupby(ordered, key=name):
        for number, fact in enumerate(group, start=1):
            yield fact if number == 1 else fact.model_copy(update={"label": f"{fact.label}#{number}"})
