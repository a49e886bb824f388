"""Alerts and scrape settings: every name is a metric's, every alert has a test that shows it fire."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.monitoring.promql import faults_of
from tests.infra.monitoring.promtool import ROOT, TESTS, Promtool

MONITORING = ROOT / "infra" / "monitoring"
HERE = Path(__file__).parent


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_alerts_ask_for_metrics_that_exist() -> None:
    assert {rule["alert"]: found for rule in rules() if (found := faults_of(rule["expr"]))} == {}


def test_alerts_say_what_to_do() -> None:
    for rule in rules():
        summary = rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert 60 < len(summary) < 400, rule["alert"]
        assert re.search(r"`|restore|Make room|mem_limit|cpus", summary), f"{rule['alert']} does not say what to do"


def test_every_alert_is_shown_to_fire() -> None:
    tests = [test for name in TESTS for test in yaml.safe_load((HERE / name).read_text())["tests"]]
    told = " ".join(
        [one["alertname"] for test in tests for one in test.get("alert_rule_test", []) if one["exp_alerts"]]
        + [s["labels"] for test in tests for one in test["promql_expr_test"] for s in one.get("exp_samples", [])]
        + [one["expr"] for test in tests for one in test["promql_expr_test"] if one.get("exp_samples")]
    )
    assert [rule["alert"] for rule in rules() if f'"{rule["alert"]}"' not in told] == []


def test_every_service_of_the_compose_file_that_lasts_and_serves_metrics_is_scraped() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    lasting = {name: one for name, one in compose.items() if one["restart"] != "no"}
    serving = {name for name, one in lasting.items() if "METRICS_PORT" in one.get("environment", {})}
    jobs = {
        job["job_name"]: job for job in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    }
    (found,) = jobs["tickerstream"]["dns_sd_configs"]
    assert serving, "the compose file has none"
    assert set(found["names"]) == serving
    assert {
        one["environment"]["METRICS_PORT"] for one in compose.values() if "METRICS_PORT" in one.get("environment", {})
    } == {str(found["port"])}


def test_promtool_accepts_settings_and_alerts_and_sees_them_fire() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH; make test-compose runs it from Prometheus' image")
    Promtool(("promtool",), str(ROOT)).check_all()
