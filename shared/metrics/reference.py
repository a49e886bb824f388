"""All metrics as a page for people: `python -m shared.metrics.reference`."""

import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from shared.metrics import aggregating, consuming, lake, process, sending, serving, training
from shared.metrics.instruments import CATALOGUE, Metric

MODULES: Final = (process, consuming, sending, lake, aggregating, training, serving)
"""Importing them fills the catalogue."""

_HEAD: Final = """# Metrics

Made by `python -m shared.metrics.reference` from `shared/metrics`; a test holds them equal.

Each process serves them on `METRICS_PORT` under `/metrics`, the predictor also on its own port. It has those of its \
own subjects, and `process_*` and `python_*` of Prometheus' client library. The scrape adds `service`, the name of the \
service in docker-compose.yml, and `instance`. Times are seconds, sizes bytes; `_timestamp_seconds` counts from 1970. \
A histogram has the series `_bucket`, `_sum` and `_count`.
"""


def all_metrics() -> list[Metric]:
    """Return every metric of every service, in the page's order."""
    order = [module.GROUP.title for module in MODULES]
    return sorted(CATALOGUE.values(), key=lambda metric: order.index(metric.group))


def as_markdown() -> str:
    """Return the page docs/metrics.md."""
    lines = [_HEAD]
    for group, metrics in groupby(all_metrics(), lambda metric: metric.group):
        lines += [f"## {group}", "", *_table(metrics), ""]
    return "\n".join(lines)


def _table(metrics: Iterable[Metric]) -> list[str]:
    head = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    return [*head, *(f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.meaning} |" for m in metrics)]


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
