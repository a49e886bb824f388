"""What a PromQL expression asks for, held against what the services tell."""

from collections.abc import Iterator

import promql_parser
from prometheus_client import REGISTRY

from shared.metrics.reference import all_metrics

TARGET = {"service", "job", "instance"}
"""Labels that the scrape adds."""
FOREIGN = {
    "up": set[str](),
    "minio_cluster_capacity_usable_free_bytes": {"server"},
    "minio_cluster_capacity_usable_total_bytes": {"server"},
}
"""What Prometheus itself and MinIO tell, as far as it is asked for."""


def known() -> dict[str, set[str]]:
    """Every series that may be asked for, with its labels."""
    found = {name: {*metric.labels, "le"} for metric in all_metrics() for name in metric.series}
    client = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    return FOREIGN | {name: set() for name in client if name.startswith("process_")} | found


def faults_of(expression: str) -> list[str]:
    """What is wrong with an expression: syntax, a metric that is none, a label that its metric has not."""
    try:
        parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    except ValueError as error:
        return [f"syntax: {error}"]
    series, found = known(), []
    for selector in selectors(parsed):
        if selector.name not in series:
            found.append(f"no metric {selector.name}")
            continue
        asked = {matcher.name for matcher in selector.matchers.matchers}
        found += [f"{selector.name} has no label {label}" for label in asked - series[selector.name] - TARGET]
    return found + list(_faults_of_grouping(parsed, series))


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector in an expression."""
    for one in nodes(node):
        if isinstance(one, promql_parser.VectorSelector):
            yield one


def nodes(node: object) -> Iterator[object]:
    """An expression and all that it is made of."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        below = getattr(node, name, None)
        if below is not None:
            yield from nodes(below)
    for argument in getattr(node, "args", None) or []:
        yield from nodes(argument)


def _faults_of_grouping(parsed: object, series: dict[str, set[str]]) -> Iterator[str]:
    for one in nodes(parsed):
        modifier = getattr(one, "modifier", None)
        if not isinstance(one, promql_parser.AggregateExpr) or modifier is None:
            continue
        made = {"volume"} if "label_replace" in str(one) else set()
        for selector in selectors(one):
            has = series.get(selector.name, set()) | TARGET | made
            yield from (f"{selector.name} has no label {label} to group by" for label in set(modifier.labels) - has)
