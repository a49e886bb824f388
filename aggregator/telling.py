"""What the aggregator tells Prometheus: its counters as they are, read when asked."""

from collections.abc import Mapping

from shared.metrics import aggregating
from shared.metrics.instruments import Asked, Values


def tell_counters(counters: Mapping[str, int]) -> None:
    """Tell these counters, which only grow, from now on."""

    def tell(asked: Asked, name: str) -> None:
        asked.tell(lambda: {(): counters[name]})

    tell(aggregating.BARS, "bars")
    tell(aggregating.FACTS, "facts")
    tell(aggregating.MADE_AGAIN, "made_again")
    tell(aggregating.RUNS, "runs")
    tell(aggregating.SENT, "features_sent")
    tell(aggregating.MEMBERSHIPS, "memberships")
    aggregating.ROWS.tell(lambda: _rows(counters))
    aggregating.REFUSED.tell(lambda: {("bar",): counters["refused"], ("record",): counters["poisoned"]})


def _rows(counters: Mapping[str, int]) -> Values:
    return {("added",): counters["rows"], ("revised",): counters["revisions"], ("remade",): counters["remade"]}
