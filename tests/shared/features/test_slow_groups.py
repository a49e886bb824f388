"""The groups regime, multi-timeframe, session, macro, fundamental and actions against plain pandas."""

import numpy as np
import pytest
from numpy.random import default_rng

from shared.features.catalogue import CATALOGUE
from shared.features.compute import compute_week
from shared.features.feature import Group
from tests.shared.features.made_facts import WEEK, made_bars, made_context
from tests.shared.features.plain_oracle import Oracle

GROUPS = (Group.REGIME, Group.MULTI_TIMEFRAME, Group.SESSION, Group.MACRO, Group.FUNDAMENTAL, Group.ACTIONS)
FEATURES = tuple(feature for feature in CATALOGUE if feature.group in GROUPS)
ROWS = 16


@pytest.mark.parametrize(("seed", "extended", "missing"), [(2, False, 0.05), (3, True, 0.5)])
def test_features_of_random_rows_equal_plain_pandas(seed: int, extended: bool, missing: float) -> None:
    bars, context = made_bars(seed, extended, missing), made_context(seed)
    week = compute_week(bars, context, WEEK, features=FEATURES)
    assert all(week[feature.name].null_count() < week.height for feature in FEATURES)
    oracle = Oracle(bars, context.macro, context.filings, context.actions)
    places = default_rng(seed).choice(week.height, ROWS, replace=False)
    for row in week[np.sort(places)].iter_rows(named=True):
        expected = oracle.row(row["timestamp"], row["as_of"])
        assert expected.keys() == {feature.name for feature in FEATURES}
        given = [float("nan") if row[name] is None else row[name] for name in expected]
        wrong = ~np.isclose(given, list(expected.values()), rtol=2e-6, atol=2e-7, equal_nan=True)
        assert not wrong.any(), [
            (name, row["timestamp"], value, g)
            for (name, value), g, w in zip(expected.items(), given, wrong, strict=True)
            if w
        ]


def test_rows_made_again_keep_the_slow_facts_of_their_own_time() -> None:
    slow = tuple(f for f in FEATURES if f.group in (Group.MACRO, Group.FUNDAMENTAL, Group.ACTIONS))
    bars, context = made_bars(2), made_context(2)
    first = compute_week(bars, context, WEEK, features=slow)
    again = compute_week(bars, context, WEEK, WEEK.end, slow)
    assert (again["as_of"] == WEEK.end).all()
    assert again.drop("as_of", "close", "volume").equals(first.drop("as_of", "close", "volume"))
