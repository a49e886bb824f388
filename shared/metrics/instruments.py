"""Makes Prometheus' instruments, and keeps the list of them: the page, the alerts and the dashboards rest on it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

NAMESPACE: Final = "tickerstream"
SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets of what takes a moment."""
LONG_SECONDS: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Buckets of what takes minutes."""
SIZES: Final = (1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0)
"""Buckets of counts."""

Kind = Literal["counter", "gauge", "histogram"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter has a second series of when it was made


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As Prometheus stores it; a histogram's series are this with `_bucket`, `_sum` and `_count`.
        kind: What it is.
        meaning: For people; no full stop.
        labels: Names of its labels; the scrape adds `service` and `instance`.
        group: Title of the section that it belongs to.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]
    group: str

    @property
    def series(self) -> tuple[str, ...]:
        """Return the names that a query may use."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


CATALOGUE: Final[dict[str, Metric]] = {}
"""Every metric that was made in this process, by name; `shared.metrics.reference` imports them all."""

Values = Mapping[tuple[str, ...], float]
"""Label values -> value."""
_Family = CounterMetricFamily | GaugeMetricFamily


class Asked:
    """A gauge, or counter, whose values are made when Prometheus asks: never old, and nothing of what is gone.

    Args:
        metric: What it is.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._read: Callable[[], Values] = dict

    def tell(self, read: Callable[[], Values]) -> None:
        """Take the values from `read` from now on; it is called in the thread that serves Prometheus."""
        self._read = read

    def describe(self) -> Iterator[_Family]:
        """Yield the family without values."""
        made = CounterMetricFamily if self._metric.kind == "counter" else GaugeMetricFamily
        yield made(self._metric.name, self._metric.meaning, labels=self._metric.labels)

    def collect(self) -> Iterator[_Family]:
        """Yield the family as of now."""
        for family in self.describe():
            for labels, value in self._read().items():
                family.add_metric(labels, value)
            yield family


class Group:
    """Makes the metrics of one subject.

    Args:
        title: Heading of its section in docs/metrics.md.
    """

    def __init__(self, title: str) -> None:
        self.title = title

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Return a counter; its full name is `tickerstream_<name>_total`."""
        self._note(f"{name}_total", "counter", meaning, labels)
        return Counter(name, meaning, labels, namespace=NAMESPACE)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """Return a gauge."""
        self._note(name, "gauge", meaning, labels)
        return Gauge(name, meaning, labels, namespace=NAMESPACE)

    def histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Return a histogram."""
        self._note(name, "histogram", meaning, labels)
        return Histogram(name, meaning, labels, namespace=NAMESPACE, buckets=buckets)

    def asked(self, name: str, meaning: str, *labels: str) -> Asked:
        """Return a gauge that is read when Prometheus asks."""
        return self._asked(self._note(name, "gauge", meaning, labels))

    def asked_counter(self, name: str, meaning: str, *labels: str) -> Asked:
        """Return a counter that is read when Prometheus asks; its full name is `tickerstream_<name>_total`."""
        return self._asked(self._note(f"{name}_total", "counter", meaning, labels))

    def _asked(self, metric: Metric) -> Asked:
        asked = Asked(metric)
        REGISTRY.register(asked)
        return asked

    def _note(self, name: str, kind: Kind, meaning: str, labels: tuple[str, ...]) -> Metric:
        metric = Metric(f"{NAMESPACE}_{name}", kind, meaning, labels, self.title)
        CATALOGUE[metric.name] = metric
        return metric
