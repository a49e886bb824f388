"""A ticker's last closes and answers: memory first, and what memory lacks from PostgreSQL where it answers."""

from dataclasses import dataclass
from datetime import datetime

from predictor.answers import AnswerBook, Shown
from shared.errors import TickerstreamError
from shared.storage.closes import Close, CloseReader
from shared.storage.prediction_ledger import PredictionLedger


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first; `complete` is false where PostgreSQL was wanted and did not answer. `answers` are JSON."""

    closes: list[Close]
    answers: list[bytes]
    complete: bool


@dataclass(frozen=True, slots=True)
class Past:
    """Where the past is kept."""

    ledger: PredictionLedger
    closes: CloseReader


def history_of(answers: AnswerBook, past: Past, ticker: str, limit: int) -> History:
    """Return the last `limit` closes and answers of a ticker."""
    kept, closes = answers.kept(ticker)[-limit:], answers.closes(ticker)[-limit:]
    row = answers.rows.get(ticker)
    if len(kept) >= limit and len(closes) >= limit:
        return History(closes, [one.record for one in kept], True)
    try:
        older = past.ledger.newest(ticker, limit)
        stored = past.closes.newest(ticker, row.feature_set, limit) if row is not None else []
    except TickerstreamError:
        return History(closes, [one.record for one in kept], False)
    known = {one.signature[0] for one in kept}
    missing = [Shown.of(one, one.as_of) for one in older if one.id not in known]
    merged = sorted([*missing, *kept], key=lambda one: (one.as_of, one.made_at))[-limit:]
    return History(_merged([*stored, *closes], limit), [one.record for one in merged], True)


def _merged(points: list[Close], limit: int) -> list[Close]:
    """Return the last points in the order of time, of two at one time the last given."""
    found: dict[datetime, Close] = {one.timestamp: one for one in points}
    return [found[at] for at in sorted(found)][-limit:]
