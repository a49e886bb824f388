"""A ticker's last closes and answers: memory first, and what memory has lost from the ledger where it answers."""

from dataclasses import dataclass

from predictor.answers import AnswerBook, Close, Shown
from shared.errors import TickerstreamError
from shared.storage.prediction_ledger import PredictionLedger


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first; `complete` is false where the ledger was wanted and did not answer. `answers` are JSON."""

    closes: list[Close]
    answers: list[bytes]
    complete: bool


def history_of(answers: AnswerBook, ledger: PredictionLedger, ticker: str, limit: int) -> History:
    """Return the last `limit` closes and answers of a ticker."""
    kept, closes = answers.kept(ticker)[-limit:], answers.closes(ticker)[-limit:]
    if len(kept) >= limit:
        return History(closes, [one.record for one in kept], True)
    try:
        older = ledger.newest(ticker, limit)
    except TickerstreamError:
        return History(closes, [one.record for one in kept], False)
    known = {one.signature[0] for one in kept}
    missing = [Shown.of(one, one.as_of) for one in older if one.id not in known]
    merged = sorted([*missing, *kept], key=lambda one: (one.as_of, one.made_at))[-limit:]
    points = {one.timestamp: one for one in [*(Close(p.timestamp, p.close) for p in older), *closes]}
    return History([points[at] for at in sorted(points)][-limit:], [one.record for one in merged], True)
