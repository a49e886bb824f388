"""The catalogue itself, and the page that is made from it."""

import re
from dataclasses import replace
from pathlib import Path

from shared.features import catalogue
from shared.features.catalogue import CATALOGUE, FEATURE_SET, MODEL_FEATURES, NAMES
from shared.features.compute import ROW_COLUMNS
from shared.features.feature import Group
from shared.features.reference import as_markdown

ROOT = Path(__file__).parents[3]


def test_names_are_plain_columns_and_told_apart() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 60
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) for name in NAMES)
    assert not set(NAMES) & {*ROW_COLUMNS, "revision", "made_at", "superseded_at", "served", "feature_set", "batch_id"}


def test_every_group_but_text_has_features_that_models_are_fed_with() -> None:
    assert {feature.group for feature in CATALOGUE if feature.scale_free} == set(Group)


def test_model_features_are_the_scale_free_ones_in_order() -> None:
    assert list(MODEL_FEATURES) == [feature.name for feature in CATALOGUE if feature.scale_free]


def test_every_feature_says_what_it_is() -> None:
    for feature in CATALOGUE:
        assert all((feature.meaning, feature.formula, feature.source)), feature.name
        assert not any("|" in text or "\n" in text for text in (feature.meaning, feature.formula, feature.source))


def test_feature_set_is_named_by_what_values_follow_from() -> None:
    assert re.fullmatch(r"f[0-9a-f]{8}", FEATURE_SET)
    assert "f" + catalogue._digest(CATALOGUE)[:8] == FEATURE_SET
    first, *others = CATALOGUE
    changes = (
        replace(first, version=first.version + 1),
        replace(first, lookback=first.lookback + 1, smoothing=0),
        replace(first, timeframe="60m"),
    )
    names = {catalogue._digest(features) for features in ((one, *others) for one in (first, *changes))}
    names |= {catalogue._digest(CATALOGUE[1:])}
    for place, value in enumerate(catalogue.START_UP):
        other = (*catalogue.START_UP[:place], value + 1, *catalogue.START_UP[place + 1 :])
        names |= {catalogue._digest(CATALOGUE, other)}
    assert len(names) == 2 + len(changes) + len(catalogue.START_UP), "every change makes another name"


def test_features_page_is_what_the_catalogue_makes() -> None:
    page = (ROOT / "docs" / "features.md").read_text()
    assert page == as_markdown(), "run: python -m shared.features.reference > docs/features.md"
