"""What is not yet known at an instant, taken away or made nonsense: what a feature without look-ahead cannot notice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.random import Generator

from shared.contracts.lake import KNOWN_AT
from shared.features.context import Context

LATER = timedelta(microseconds=1)
"""Nonsense versions of known facts become known so long after the instant."""

PRICES = ("open", "high", "low", "close", "vwap")


def without_later(
    bars: pl.DataFrame, context: Context, instant: datetime, rng: Generator
) -> tuple[pl.DataFrame, Context]:
    """Return what was known at `instant` (aware), in a random order."""
    known = pl.col(KNOWN_AT) <= instant

    def censor(facts: pl.DataFrame) -> pl.DataFrame:
        return shuffled(facts.filter(known), rng)

    return censor(bars), Context(censor(context.macro), censor(context.filings), censor(context.actions))


def with_garbled(
    bars: pl.DataFrame, context: Context, instant: datetime, rng: Generator
) -> tuple[pl.DataFrame, Context]:
    """Return all facts, those known later with random numbers, and each known one restated just after `instant`.

    Bars and rows keep their times. A tenth of the known bars is corrected, so that weeks stay quick to compute.
    """
    return (
        _garbled(bars, instant, rng, _garbled_bars, share=0.1),
        Context(
            _garbled(context.macro, instant, rng, _garbled_numbers),
            _garbled(context.filings, instant, rng, _garbled_numbers),
            _garbled(context.actions, instant, rng, _garbled_numbers),
        ),
    )


def shuffled(facts: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    """Return the rows in a random order."""
    return facts[rng.permutation(facts.height)] if facts.height else facts


def _garbled(
    facts: pl.DataFrame,
    instant: datetime,
    rng: Generator,
    garble: Callable[[pl.DataFrame, Generator], pl.DataFrame],
    share: float = 1.0,
) -> pl.DataFrame:
    known, later = facts.filter(pl.col(KNOWN_AT) <= instant), facts.filter(pl.col(KNOWN_AT) > instant)
    restated = known.filter(pl.Series(rng.random(known.height) < share))
    restated = garble(restated, rng).with_columns(pl.lit(instant + LATER, facts.schema[KNOWN_AT]).alias(KNOWN_AT))
    return shuffled(pl.concat([known, garble(later, rng), restated]), rng)


def _garbled_bars(bars: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    """Return the bars with other prices and volumes, still valid."""
    factor = pl.Series(np.exp(rng.normal(0.0, 0.5, bars.height)))
    volume = pl.Series(np.floor(rng.exponential(1e6, bars.height)))
    return bars.with_columns(*(pl.col(name) * factor for name in PRICES), volume.alias("volume"))


def _garbled_numbers(facts: pl.DataFrame, rng: Generator) -> pl.DataFrame:
    """Return the facts with other numbers in every column of numbers but the year."""
    names = [name for name, kind in facts.schema.items() if kind == pl.Float64]
    return facts.with_columns(pl.col(name) * pl.Series(np.exp(rng.normal(0.0, 1.0, facts.height))) for name in names)
