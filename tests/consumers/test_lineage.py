"""Lineage: spans of offsets, which join in any order."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.lineage import MAX_SPANS, Lineage
from shared.ports import Position

POSITIONS = st.builds(Position, st.sampled_from(["h_alpaca", "stock_bars"]), st.integers(0, 2), st.integers(0, 99))


def lineage_of(positions: list[Position]) -> Lineage:
    lineage = Lineage()
    for position in positions:
        lineage.add(position)
    return lineage


@given(st.lists(POSITIONS), st.lists(POSITIONS))
def test_joined_spans_are_the_least_and_greatest_offsets(left: list[Position], right: list[Position]) -> None:
    joined = lineage_of(left).joined(lineage_of(right))

    slots = {(p.topic, p.partition) for p in left + right}
    offsets = {slot: [p.offset for p in left + right if (p.topic, p.partition) == slot] for slot in slots}
    assert dict(joined) == {slot: (min(found), max(found)) for slot, found in offsets.items()}


@given(st.lists(POSITIONS))
def test_json_comes_back(positions: list[Position]) -> None:
    lineage = lineage_of(positions)

    assert dict(Lineage.from_json(lineage.to_json())) == dict(lineage)


def test_json_is_bounded() -> None:
    lineage = lineage_of([Position("t", partition, 1) for partition in range(2 * MAX_SPANS)])

    assert len(list(Lineage.from_json(lineage.to_json()))) == MAX_SPANS


def test_json_of_somebody_else_is_no_lineage() -> None:
    assert [list(Lineage.from_json(text)) for text in (b"\xff", "[1]", '{"a": 1}', '{"a": {"x": [1]}}')] == [[]] * 4
