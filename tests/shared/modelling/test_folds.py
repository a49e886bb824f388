"""Folds as properties, on labels that do reach into later sessions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.modelling.folds import expanding_folds

DAY = 1440


@st.composite
def histories(draw):
    """Rows of some sessions, each label ending up to three sessions later, so that labels do cross folds."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=2, max_size=14))
    sessions = np.repeat(np.arange(len(sizes)) * draw(st.integers(1, 3)), sizes)
    within = np.concatenate([np.arange(size) for size in sizes])
    starts = sessions * DAY + within * 30
    horizon = draw(st.integers(1, 3 * DAY))
    return sessions, starts, starts + horizon, draw(st.integers(0, DAY)), draw(st.integers(1, 6))


@given(histories())
def test_folds_never_fit_on_what_reaches_into_the_test(history):
    sessions, starts, ends, embargo, count = history
    for fold in expanding_folds(sessions, starts, ends, embargo, count):
        first = starts[fold.test].min()
        assert (ends[fold.train] + embargo <= first).all()
        # No label that a fold is fitted on shares a minute with one that it is tested on.
        overlap = (starts[fold.train][:, None] < ends[fold.test]) & (starts[fold.test] < ends[fold.train][:, None])
        assert not overlap.any()


@given(histories())
def test_folds_purge_exactly_what_reaches_too_far(history):
    sessions, starts, ends, embargo, count = history
    for fold in expanding_folds(sessions, starts, ends, embargo, count):
        past = np.flatnonzero(sessions < sessions[fold.test].min())
        left_out = np.setdiff1d(past, fold.train)
        assert fold.purged == len(left_out)
        assert (ends[left_out] + embargo > starts[fold.test].min()).all()


@given(histories())
def test_folds_test_whole_sessions_once_after_what_they_fit(history):
    sessions, starts, ends, embargo, count = history
    folds = expanding_folds(sessions, starts, ends, embargo, count)
    tested = [set(sessions[fold.test]) for fold in folds]
    assert sum(map(len, tested)) == len(set().union(*tested))
    for fold in folds:
        assert set(np.flatnonzero(np.isin(sessions, sessions[fold.test]))) == set(fold.test)
        assert sessions[fold.train].max() < sessions[fold.test].min()


@pytest.mark.parametrize(
    ("horizon", "embargo", "purged"), [(390, 0, 0), (1095, 0, 1), (1455, 0, 13), (2 * DAY, 0, 25), (390, 700, 1)]
)
def test_folds_labels_that_cross_are_purged(horizon, embargo, purged):
    sessions = np.repeat(np.arange(10), 13)
    starts = sessions * DAY + np.tile(np.arange(13) * 30, 10)
    folds = expanding_folds(sessions, starts, starts + horizon, embargo, count=4)
    assert [fold.purged for fold in folds] == [purged] * 4
    assert [len(fold.test) for fold in folds] == [26] * 4


def test_folds_expand():
    sessions = np.repeat(np.arange(10), 3)
    starts = np.arange(30) * DAY
    folds = expanding_folds(sessions, starts, starts + 5, 5)
    assert [len(fold.train) for fold in folds] == [6, 12, 18, 24]


@pytest.mark.parametrize(("session_count", "folds"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 4), (9, 4)])
def test_folds_few_sessions_are_few_folds(session_count, folds):
    sessions = np.arange(session_count)
    starts = sessions * DAY
    assert len(expanding_folds(sessions, starts, starts + 5, 5)) == folds
