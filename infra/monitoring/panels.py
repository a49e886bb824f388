"""The parts of a Grafana dashboard, as few as are needed: graphs and single numbers in rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
"""The data source of provisioning/datasources/prometheus.yml."""
WIDTH: Final = 24
_HEIGHTS: Final = {"timeseries": 8, "stat": 4}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and how its series are called (`{{label}}`)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        queries: From where.
        unit: Grafana's name of the unit: `s`, `bytes`, `short`, `reqps`, `percentunit`.
        meaning: What a person reads from it.
        kind: A graph over time, or the newest number.
        limit: Value from which on a single number is red.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    meaning: str = ""
    kind: Literal["timeseries", "stat"] = "timeseries"
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard: titled rows of panels that share the width."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    def document(self) -> dict[str, Any]:
        """Return it as Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["tickerstream"],
            "timezone": "utc",
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "schemaVersion": 39,
            "editable": False,
            "graphTooltip": 1,
            "panels": list(_laid_out(self.rows)),
        }

    @property
    def expressions(self) -> list[str]:
        """Return every expression."""
        return [query.expression for _, panels in self.rows for panel in panels for query in panel.queries]


def graph(title: str, unit: str, meaning: str, *queries: tuple[str, str]) -> Panel:
    """Return a graph of (expression, legend)."""
    return Panel(title, tuple(Query(*query) for query in queries), unit, meaning)


def number(title: str, unit: str, meaning: str, expression: str, limit: float | None = None) -> Panel:
    """Return a panel of one number, red from `limit` on."""
    return Panel(title, (Query(expression),), unit, meaning, "stat", limit)


def rate(metric: str, *by: str) -> str:
    """Return a counter's increase a second, of `metric` without its namespace."""
    return f"sum by ({', '.join(by)}) (rate(tickerstream_{metric}[$__rate_interval]))"


def quantile(share: float, metric: str, *by: str) -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', *by, 'le')})"


def _laid_out(rows: Sequence[tuple[str, tuple[Panel, ...]]]) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for title, panels in rows:
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        number, top = number + 1, top + 1
        width, height = WIDTH // len(panels), max(_HEIGHTS[panel.kind] for panel in panels)
        for column, panel in enumerate(panels):
            yield _panel(panel, number, {"x": column * width, "y": top, "w": width, "h": height})
            number += 1
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    options: dict[str, Any] = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}}
    if panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    else:
        defaults |= {"min": 0, "custom": {"fillOpacity": 10, "showPoints": "never", "spanNulls": False}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": letter, "datasource": SOURCE, "expr": query.expression, "legendFormat": query.legend or "__auto"}
            for letter, query in zip("ABCDEFGH", panel.queries, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }
