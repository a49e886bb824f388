"""The memo gives only values of the same history, and stays small."""

import numpy as np

from shared.features.arrays import MINUTE_US, instant_us
from shared.features.bar_versions import read_versions
from shared.features.bench import Bench
from shared.features.catalogue import CATALOGUE
from shared.features.context import EMPTY_CONTEXT, Context
from shared.features.knowledge import rows_of, segments
from shared.features.memo import Memo
from tests.shared.features.making import MONDAY, minutes_of, walk
from tests.shared.features.test_compute import WEEK

FEATURES = CATALOGUE[:3]


def bench_of(seed: int, bars: int = 600, context: Context = EMPTY_CONTEXT) -> Bench:
    known = walk(minutes_of(MONDAY.replace(day=15), MONDAY.replace(day=21)), seed)
    start = int((known["timestamp"] < WEEK.start).sum())
    versions = read_versions(known.head(start + bars), WEEK, WEEK.start.replace(day=1))
    (segment,) = segments(versions, rows_of(versions, WEEK, None))
    return Bench(segment.bars, instant_us(WEEK.start) // MINUTE_US, segment.as_of, context)


def values_of(bench: Bench, value: float) -> np.ndarray:
    return np.full((len(FEATURES), bench.week_rows), value, np.float32)


def test_memo_serves_a_prefix_and_nothing_else() -> None:
    memo, bench = Memo(), bench_of(1)
    memo.keep(bench, FEATURES, values_of(bench, 5.0))
    found = memo.find(bench_of(1, bars=20), FEATURES)
    assert found is not None
    assert found.shape == (3, 20)
    assert memo.find(bench_of(2), FEATURES) is None
    assert memo.find(bench_of(1, bars=601), FEATURES) is None
    assert memo.find(bench, CATALOGUE[:2]) is None
    other = Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, EMPTY_CONTEXT.actions)
    assert memo.find(bench_of(1, context=other), FEATURES) is None


def test_memo_is_bounded_in_bytes_and_drops_what_was_not_asked_for() -> None:
    benches = [bench_of(seed) for seed in range(3)]
    size = benches[0].history.nbytes + values_of(benches[0], 0.0).nbytes
    memo = Memo(most_bytes=2 * size + size // 2)
    for number, bench in enumerate(benches):
        memo.keep(bench, FEATURES, values_of(bench, number))
        memo.find(benches[0], FEATURES)
    assert [memo.find(bench, FEATURES) is not None for bench in benches] == [True, False, True]
