"""What the registry says now, for tests that look at what changed."""

from prometheus_client import REGISTRY


def value(name: str, **labels: str) -> float:
    """The value of a series; 0 where it is not there yet."""
    return REGISTRY.get_sample_value(f"tickerstream_{name}", labels) or 0.0


class Change:
    """How much series have grown since this was made."""

    def __init__(self) -> None:
        self._before = _all()

    def of(self, name: str, **labels: str) -> float:
        key = (f"tickerstream_{name}", frozenset(labels.items()))
        return _all().get(key, 0.0) - self._before.get(key, 0.0)


def _all() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    samples = (sample for family in REGISTRY.collect() for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
