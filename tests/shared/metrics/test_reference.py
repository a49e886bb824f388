"""The list of metrics, and the page that is made from it."""

import re
from pathlib import Path

from prometheus_client import REGISTRY

from shared.metrics.instruments import CATALOGUE
from shared.metrics.reference import all_metrics, as_markdown

ROOT = Path(__file__).parents[3]
LARGE = {"ticker", "topic", "partition", "route", "bucket", "error", "reason", "name", "version"}
"""Labels with as many values as there are tickers, topics, routes or classes of faults; no other one has many."""


def test_metrics_page_is_what_the_catalogue_makes() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == as_markdown(), "run: python -m shared.metrics.reference > docs/metrics.md"


def test_names_follow_the_conventions() -> None:
    for metric in all_metrics():
        assert re.fullmatch(r"tickerstream_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|mib|percent)(_|$)", metric.name), "base units only"
        assert metric.meaning, metric.name
        assert not metric.meaning.endswith("."), metric.name


def test_catalogue_and_registry_hold_the_same() -> None:
    all_metrics()
    families = {family.name: family for family in REGISTRY.collect()}
    ours = {name for name in families if name.startswith("tickerstream_")}
    assert ours == {name.removesuffix("_total") for name in CATALOGUE}
    for metric in CATALOGUE.values():
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), metric.name
            assert sample.name in metric.series, sample.name


def test_labels_are_of_few_values() -> None:
    small = {"state", "step", "operation", "kind", "verdict", "stage", "volume", "what", "method", "status"}
    assert {label for metric in all_metrics() for label in metric.labels} == LARGE | small
