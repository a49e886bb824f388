"""A row's hash, message and vector."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.rows import FeatureRow
from shared.errors import ContractError
from shared.features.catalogue import FEATURE_SET, MODEL_FEATURES, NAMES
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.rows import row_hash, to_message, values_vector
from tests.shared.features.making import MONDAY, minutes_of, walk
from tests.shared.features.test_compute import WEEK

AT = datetime(2024, 2, 20, 15, 0, tzinfo=UTC)
VALUES = [1.5, None, -0.25]
Values = list[float | None]


def message() -> tuple[dict[str, Any], FeatureRow]:
    bars = walk(minutes_of(MONDAY.replace(day=14), MONDAY.replace(day=20)))
    row = compute_week(bars, EMPTY_CONTEXT, WEEK).row(-1, named=True)
    return row, to_message(row, revision=2, made_at=AT, replayed=True)


def test_hash_is_the_same_on_every_platform_and_in_every_version() -> None:
    assert row_hash("AAPL", AT, "f1", 100.0, VALUES) == "cdd4104f419730889789df9670e4553d"


@given(st.lists(st.none() | st.floats(width=32, allow_nan=False), max_size=6))
def test_hash_of_equal_values_is_equal_and_null_differs_from_zero(values: Values) -> None:
    again = row_hash("AAPL", AT, "f1", 100.0, [None if v is None else float(np.float32(v)) for v in values])
    assert row_hash("AAPL", AT, "f1", 100.0, values) == again
    assert row_hash("AAPL", AT, "f1", 100.0, [*values, None]) != row_hash("AAPL", AT, "f1", 100.0, [*values, 0.0])


@pytest.mark.parametrize(
    "other",
    [
        ("MSFT", AT, "f1", 100.0, VALUES),
        ("AAPL", AT.replace(minute=1), "f1", 100.0, VALUES),
        ("AAPL", AT, "f2", 100.0, VALUES),
        ("AAPL", AT, "f1", 100.01, VALUES),
        ("AAPL", AT, "f1", 100.0, [None, 1.5, -0.25]),
        ("AAPL", AT, "f1", 100.0, [1.5, None, -0.2500001]),
    ],
)
def test_hash_of_another_row_differs(other: tuple[str, datetime, str, float, Values]) -> None:
    assert row_hash(*other) != row_hash("AAPL", AT, "f1", 100.0, VALUES)


def test_message_survives_the_wire_with_its_values_and_hash() -> None:
    row, sent = message()
    got = FeatureRow.decode(sent.encode())
    assert got == sent
    assert [got.values[name] for name in NAMES] == [row[name] for name in NAMES]
    values = list(got.values.values())
    assert got.row_hash == row_hash(got.ticker, got.timestamp, FEATURE_SET, got.close, values)
    assert (got.revision, got.replayed, got.made_at, got.as_of) == (2, True, AT, row["as_of"])


def test_vector_has_the_asked_features_in_order_and_nan_for_null() -> None:
    row, sent = message()
    vector = values_vector(sent, MODEL_FEATURES)
    assert vector.dtype == np.float32
    expected = [np.nan if row[name] is None else row[name] for name in MODEL_FEATURES]
    np.testing.assert_array_equal(vector, np.array(expected, np.float32))
    assert np.isnan(vector).any()


def test_vector_of_a_feature_that_the_row_does_not_have_is_refused() -> None:
    with pytest.raises(ContractError, match="no feature unheard"):
        values_vector(message()[1], ["rsi_14", "unheard"])
