"""The catalogue as a page for people: `python -m shared.features.reference`."""

import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from shared.features.bench import START_UP_BARS
from shared.features.catalogue import CATALOGUE, FEATURE_SET, MODEL_FEATURES, START_UP_WEEKS
from shared.features.feature import START_UP_SPANS, Feature

_HEAD: Final = f"""# Features

Made by `python -m shared.features.reference` from `shared/features`; a test holds them equal.

{len(CATALOGUE)} features, {len(MODEL_FEATURES)} of them scale-free: models are fed with those. The others are levels, \
stored for people. The name of this set is `{FEATURE_SET}`; it changes with every feature that is added, removed or \
changed, and with what features are started up with.

A value of bar *t* is made from what was known when the bar became known (the row's `as_of`), and from nothing later: \
versions of bars, vintages, filings and actions alike. It is null where it has no value, never a guess, NaN or infinite.

- Windows count bars; missing minutes stay missing, so a window may cover more minutes than it has bars: `span_60` \
tells how many.
- A look-back counts bars of the feature's own timeframe, the row's own included; until so many are there the value is \
null. A recursive average needs {START_UP_SPANS} times its span (Wilder's of n has the span 2n - 1). Higher bars are \
used when they are closed.
- Every ISO week is computed from one anchor: the bars of the {START_UP_WEEKS} weeks before it, of which minute \
features take the last {START_UP_BARS}. So a row can be made again from the lake, bit by bit.
- Prices before a split are brought to the basis of bar *t*, at New York's midnight of the ex-date.

In formulas `x[-n]` is x of n bars before; `mean`, `std` (of the population), `sum`, `min`, `max` and `correl` go over \
the last n bars, the row's own included.
"""


def as_markdown() -> str:
    """Return the page docs/features.md."""
    lines = [_HEAD]
    for group, features in groupby(CATALOGUE, lambda feature: feature.group):
        lines += [f"## {group[0].upper()}{group[1:]}", "", *_table(features), ""]
    return "\n".join(lines)


def _table(features: Iterator[Feature]) -> list[str]:
    head = "| feature | meaning | formula | look-back | scale-free | source |"
    return [head, "| --- | --- | --- | --- | --- | --- |", *(_row(feature) for feature in features)]


def _row(feature: Feature) -> str:
    scale = "yes" if feature.scale_free else "no"
    cells = [f"`{feature.name}`", feature.meaning.rstrip("."), f"`{feature.formula}`", _start_up(feature), scale]
    return "| " + " | ".join([*cells, feature.source]) + " |"


def _start_up(feature: Feature) -> str:
    if not feature.start_up:
        return "none"
    unit = "sessions" if feature.timeframe == "session" else f"× {feature.timeframe}"
    return f"{feature.start_up} {unit}"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
