"""The page without a browser: what it loads, what it asks for and reads, what it is told, and what it says."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from producers.simulated.settings import SimulatedSettings
from producers.simulated.truth import write_truth
from shared.contracts.training import MODEL_KINDS, Verdict
from shared.contracts.truth import PlantedTruth
from shared.modelling.verdict import FALSE_DISCOVERY_RATE
from tests.predictor.making import bundles, deployed, feature_row
from tests.predictor.serving import Broker, Serving

pytestmark = pytest.mark.kafka
PLANTED: Final = PlantedTruth("SIM.PAGE", 0.05, "momentum", 15, 5, 0.1, "the return of the past 15 minutes", "x")
NOTHING: Final = PlantedTruth("SIM.EMPTY", 0.0, "none", 0, 5, 0.0, "", "x")
VERDICTS: Final[tuple[Verdict, ...]] = ("skill", "no skill", "worse")


@pytest.fixture(scope="module")
def told(broker: Broker, shared_predictor: Serving, model_dir: Path) -> dict[str, dict[str, Any]]:
    """What /v1/tickers tells the page of two simulated tickers and a replayed one, by name."""
    truth = write_truth(SimulatedSettings(), shared_predictor.folder)
    truth.write_text(json.dumps({"tickers": [asdict(PLANTED), asdict(NOTHING)]}))
    rows = [feature_row("SIM.PAGE"), feature_row("SIM.EMPTY"), feature_row("REPLAY", replayed=True)]
    for row, verdicts in zip(rows, [VERDICTS, ("no skill", "worse", "no skill"), VERDICTS], strict=True):
        broker.events(*deployed(model_dir, row.ticker, verdicts=verdicts))
        shared_predictor.has_models(row.ticker)
    broker.rows(*rows)
    for row in rows:
        shared_predictor.shows(row)
    return {one["ticker"]: one for one in shared_predictor.get("/v1/tickers").json()["tickers"]}


def script(shared_predictor: Serving) -> str:
    return shared_predictor.get("/static/app.js").text


def test_page_and_all_that_it_loads_come_from_this_server(shared_predictor: Serving) -> None:
    page = shared_predictor.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("style.css", "app.js", "chart.js", "dom.js", "icon.svg", "vendor/lightweight-charts.js"):
        answer = shared_predictor.get(f"/static/{path}")
        assert answer.status_code == 200
        assert answer.content
    assert not [part for part in page.text.split('src="')[1:] if not part.startswith("/static/")]
    for path in ("/static/../settings.py", "/static/%2e%2e/settings.py"):
        assert shared_predictor.get(path).status_code == 404


def test_documentation_loads_nothing_from_elsewhere(shared_predictor: Serving) -> None:
    page = shared_predictor.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    assert [shared_predictor.get(path).status_code for path in loaded] == [200] * len(loaded)


def test_marks_and_planted_truth_are_told_of_each_ticker(told: dict[str, dict[str, Any]]) -> None:
    marks = {name: (told[name]["simulated"], told[name]["replayed"]) for name in ("SIM.PAGE", "SIM.EMPTY", "REPLAY")}
    assert marks == {"SIM.PAGE": (True, False), "SIM.EMPTY": (True, False), "REPLAY": (False, True)}
    for truth in (PLANTED, NOTHING):
        planted = told[truth.ticker]["planted"]
        assert planted == {name: value for name, value in asdict(truth).items() if name in planted}
        assert planted["information_coefficient"] == truth.information_coefficient
    assert told["REPLAY"]["planted"] is None, "of what is real nobody knows the truth"


def test_each_verdict_stands_beside_its_baseline(shared_predictor: Serving, told: dict[str, dict[str, Any]]) -> None:
    made = bundles("SIM.PAGE")
    assert told["SIM.PAGE"]["verdicts"] == dict(zip(MODEL_KINDS, VERDICTS, strict=True))
    prior = made["classification_rf"].manifest.prior_up
    assert told["SIM.PAGE"]["prediction"]["baseline"] == {"expected_return": 0.0, "probability_up": prior}
    leads = {name: told[name]["prediction"]["leads"] for name in ("SIM.PAGE", "SIM.EMPTY")}
    assert leads == {"SIM.PAGE": "model", "SIM.EMPTY": "baseline"}
    for model in shared_predictor.get("/v1/models/SIM.PAGE").json()["models"]:
        evaluation = json.loads(made[model["kind"]].manifest.evaluation.model_dump_json())
        assert (model["primary"], model["baselines"]) == (evaluation["primary"], evaluation["baselines"])
        assert model["primary"]["loss"] > 0
        assert model["primary"]["baseline_loss"] > 0


def test_script_asks_for_what_there_is_and_draws_into_what_there_is(shared_predictor: Serving) -> None:
    text, page = script(shared_predictor), shared_predictor.get("/").text
    assert set(re.findall(r'\$\("([^"]+)"\)', text)) <= set(re.findall(r'id="([^"]+)"', page))
    asked = set(re.findall(r'(?:ask|fetch|EventSource)\([`"]([^`"?]+)', text))
    assert asked >= {"/v1/tickers", "/v1/models", "/v1/runs", "/v1/stream", "/health/ready"}
    documented = {re.sub(r"{.*?}", "*", path) for path in shared_predictor.get("/openapi.json").json()["paths"]}
    assert {re.sub(r"\${.*}", "*", path) for path in asked} <= documented


def test_script_reads_only_fields_that_it_is_told(shared_predictor: Serving, told: dict[str, dict[str, Any]]) -> None:
    text, ticker = script(shared_predictor), told["SIM.PAGE"]
    (model, *_) = shared_predictor.get("/v1/models/SIM.PAGE").json()["models"]

    def read(name: str, *functions: str) -> set[str]:
        bodies = dict(re.findall(r"^function (\w+)(\(.*?)^}$", text, re.MULTILINE | re.DOTALL))
        return {field for one in functions for field in re.findall(rf"(?<![\w.]){name}\.(\w+)", bodies[one])}

    assert {"simulated", "replayed", "planted"} <= read("one", "tickerRow", "marks", "planted") <= ticker.keys()
    assert read(r"one\.planted", "planted") <= ticker["planted"].keys()
    assert {"leads", "price_level"} <= read("p", "tickerRow", "answer") <= {*ticker["prediction"], "born"}
    assert {"verdict", "verdict_final", "primary"} <= read("m", "modelTable") <= model.keys()
    assert {"loss", "baseline_loss", "gain"} <= read("p", "beside", "gain") <= model["primary"].keys()


def test_page_says_that_no_skill_is_common_and_how_many_false_skills_to_expect(shared_predictor: Serving) -> None:
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shared_predictor.get("/").text))
    text, rate = script(shared_predictor), f"false discovery rate of {100 * FALSE_DISCOVERY_RATE:g} %"
    assert "no skill is the usual verdict" in page
    assert "Each model is held against a naive baseline" in page
    assert "simulated made up by the simulated exchange" in page
    assert "replayed bars of the past" in page
    assert rate in page
    assert rate in text
    assert f"{FALSE_DISCOVERY_RATE} * skilled" in text, "the number expected false follows from the rate"
    assert "about ${most} are to be expected false" in text
    assert "one worthless model in twenty would pass by luck" in text
