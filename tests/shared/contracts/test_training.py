"""Events of models: what older ones lack, and what the newer field may not say."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from shared.contracts.training import ModelEvent
from shared.errors import PoisonMessageError

OLD: Final[dict[str, Any]] = {
    "event": "deployed",
    "sequence": 7,
    "ticker": "AAPL",
    "kind": "regression_gb",
    "model_id": "AAPL-regression_gb-1",
    "version": 1,
    "digest": "5f" * 32,
    "verdict": "no skill",
    "feature_set": "f1",
    "horizon_minutes": 5,
    "simulated": False,
    "at": datetime(2026, 1, 5, tzinfo=UTC).isoformat(),
}


def test_event_of_before_the_field_is_read_and_told_by_a_newer_one() -> None:
    old = ModelEvent.decode(json.dumps(OLD).encode())
    newer = ModelEvent.decode(json.dumps(OLD | {"sequence": 8, "digest": "aa" * 32, "replaced": OLD}).encode())
    assert (old.replaced, old.before) == (None, None)
    assert newer.before == old
    assert ModelEvent.decode(newer.encode()) == newer


@pytest.mark.parametrize("wrong", [{"ticker": "MSFT"}, {"kind": "regression_rf"}, {"sequence": 8}])
def test_event_that_replaced_what_it_cannot_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PoisonMessageError, match="`replaced` is of another ticker or kind, or not of a lower sequence"):
        ModelEvent.decode(json.dumps(OLD | {"sequence": 8, "replaced": OLD | wrong}).encode())
