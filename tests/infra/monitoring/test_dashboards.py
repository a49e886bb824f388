"""Dashboards: they are what the code makes, and no panel asks for what nobody tells."""

import json

import pytest
import yaml

from infra.monitoring.dashboards import DASHBOARDS, FOLDER, texts
from tests.infra.monitoring.promql import faults_of
from tests.infra.monitoring.promtool import ROOT

PROVISIONING = ROOT / "infra" / "monitoring" / "grafana" / "provisioning"


def test_files_are_what_the_code_makes() -> None:
    stored = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert stored == texts(), "run: python -m infra.monitoring.dashboards"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_ask_for_metrics_and_labels_that_exist(name: str) -> None:
    assert {one: found for one in DASHBOARDS[name].expressions if (found := faults_of(one))} == {}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(rate(tickerstream_nothing_total[5m]))", "no metric tickerstream_nothing_total"),
        ("tickerstream_http_request_seconds", "no metric tickerstream_http_request_seconds"),
        ('tickerstream_model_alerts{ticker="A"}', "tickerstream_model_alerts has no label ticker"),
        ("max by (ticker) (tickerstream_model_alerts)", "tickerstream_model_alerts has no label ticker to group by"),
        ("up == 0 or 2 * sum(absent(minio_x))", "no metric minio_x"),
        ("topk(3, tickerstream_nothing) / 2", "no metric tickerstream_nothing"),
        ("(max(x offset 5m))", "no metric x"),
    ],
)
def test_check_finds_what_is_wrong(expression: str, fault: str) -> None:
    assert faults_of(expression) == [fault]


def test_check_finds_wrong_syntax() -> None:
    assert faults_of("sum(rate(up[5m])")[0].startswith("syntax: ")


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_the_provisioned_source_and_places_of_their_own(name: str) -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    document = json.loads(texts()[f"{name}.json"])
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    assert {(panel["datasource"]["uid"], panel["datasource"]["type"]) for panel in panels} == {
        (source["uid"], source["type"])
    }
    taken = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
