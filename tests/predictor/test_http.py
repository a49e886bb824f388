"""The HTTP routes of a real predictor: every answer documented, every error a problem document, never a 500."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from predictor.answering import prediction_id
from predictor.openapi import EXAMPLES
from shared.contracts.bars import BAR_COLUMNS
from shared.contracts.runs import PartitionCount, RunDeclared, TopicConfirmed
from shared.contracts.topics import RUNS
from shared.contracts.weeks import IsoWeek
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.rows import to_message, values_vector
from shared.modelling.bundle import load_bundle
from shared.testing.eventually import eventually
from tests.predictor.making import FEATURES, NOW, bundles, deployed, feature_row
from tests.predictor.serving import Broker, Serving

pytestmark = pytest.mark.kafka
PROBLEM = "application/problem+json"


def bars(count: int, start: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(count)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    return [
        {
            "timestamp": (NOW + timedelta(minutes=start + n)).isoformat(),
            "open": close,
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
            "volume": 100.0 + n,
        }
        for n, close in enumerate(closes.tolist())
    ]


def is_problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["type"]) == (status, f"urn:tickerstream:problem:{name}")
    assert found["title"]
    assert found["detail"]
    return found


def test_unknown_ticker_is_404_and_ticker_without_a_model_409_with_what_is_missing(
    broker: Broker, shared_predictor: Serving
) -> None:
    is_problem(shared_predictor.get("/v1/predictions/NOBODY"), 404, "unknown-ticker")
    is_problem(shared_predictor.get("/v1/models/NOBODY"), 404, "unknown-ticker")
    is_problem(shared_predictor.get("/v1/predictions/NOBODY/history"), 404, "unknown-ticker")
    broker.rows(feature_row("NOMODEL"))
    eventually(lambda: shared_predictor.get("/v1/predictions/NOMODEL").status_code == 409)
    assert is_problem(shared_predictor.get("/v1/predictions/NOMODEL"), 409, "no-model")["missing"] == ["models"]
    assert is_problem(shared_predictor.get("/v1/models/NOMODEL"), 409, "no-model")["missing"] == ["models"]


def test_ticker_with_models_but_no_row_is_409(broker: Broker, shared_predictor: Serving, model_dir: Path) -> None:
    broker.events(*deployed(model_dir, "NOROW"))
    shared_predictor.has_models("NOROW")
    found = is_problem(shared_predictor.get("/v1/predictions/NOROW"), 409, "no-answer")
    assert found["missing"] == ["features"]


def test_fast_lane_answers_as_the_route_does(shared_predictor: Serving) -> None:
    fast, slow = shared_predictor.get("/v1/predictions/SHARED"), shared_predictor.get("/v1/predictions/SHARED?x=1")
    assert fast.headers["content-type"] == slow.headers["content-type"]
    differ = {name for name, value in slow.json().items() if fast.json()[name] != value}
    assert differ <= {"age_seconds"}
    assert fast.json().keys() == slow.json().keys()


def test_several_predictions_come_with_a_problem_for_each_that_has_none(shared_predictor: Serving) -> None:
    found = shared_predictor.get("/v1/predictions", tickers="SHARED,NOBODY,SHARED").json()
    assert [one["ticker"] for one in found["predictions"]] == ["SHARED"]
    assert [(one["status"], one["instance"]) for one in found["problems"]] == [(404, "/v1/predictions/NOBODY")]
    everything = shared_predictor.get("/v1/predictions").json()
    assert "SHARED" in [one["ticker"] for one in everything["predictions"]]
    is_problem(shared_predictor.get("/v1/predictions", tickers="a b"), 422, "invalid")


def test_as_of_answers_from_memory_and_says_when_the_ledger_is_away(broker: Broker, shared_predictor: Serving) -> None:
    rows = [feature_row("SHARED", minute) for minute in (90, 91, 92)]
    broker.rows(*rows)
    shared_predictor.shows(rows[2])
    at = partial(shared_predictor.get, "/v1/predictions/SHARED")
    assert at(as_of=rows[1].as_of.isoformat()).json()["row_hash"] == rows[1].row_hash
    assert at(as_of=(rows[1].as_of + timedelta(seconds=59)).isoformat()).json()["row_hash"] == rows[1].row_hash
    is_problem(at(as_of="2020-01-01T00:00:00Z"), 503, "no-ledger")
    is_problem(at(as_of="2020-01-01T00:00:00"), 422, "invalid")
    is_problem(at(as_of="2999-01-01T00:00:00Z"), 422, "invalid")
    is_problem(at(as_of="yesterday"), 422, "invalid")


def test_prediction_from_the_callers_bars_is_marked_and_goes_nowhere(
    broker: Broker, shared_predictor: Serving, model_dir: Path
) -> None:
    before, brought = shared_predictor.newest("SHARED")["id"], bars(300)
    answer = shared_predictor.client.post("/v1/predictions", json={"ticker": "SHARED", "bars": brought[::-1]})
    assert answer.status_code == 200, answer.text
    found = answer.json()

    close = pl.col("timestamp") + pl.duration(minutes=1)
    frame = pl.DataFrame(brought).with_columns(
        pl.col("timestamp").str.to_datetime("%+", time_unit="us", time_zone="UTC")
    )
    lake = frame.with_columns(
        ticker=pl.lit("SHARED"), trade_count=pl.lit(None), vwap=pl.lit(None), known_at=close, feed=pl.lit(None),
        known_basis=pl.lit("nominal"), source=pl.lit("oracle"), adjusted=pl.lit(False), simulated=pl.lit(False),
    )  # fmt: skip
    made = compute_week(lake.select(*BAR_COLUMNS).cast(dict(BAR_COLUMNS)), EMPTY_CONTEXT, IsoWeek.of(NOW))
    row = to_message(made.row(-1, named=True), 1, NOW, replayed=False)
    models = bundles("SHARED")
    for said in found["models"]:
        bundle = load_bundle(model_dir, models[said["kind"]].digest)
        assert said["digest"] == bundle.digest
        assert said["value"] == bundle.predict(values_vector(row, FEATURES).reshape(1, -1))[0]
    assert found["row_hash"] == row.row_hash, "the same features as history and live"
    assert found["id"] == prediction_id([bundle.digest for bundle in models.values()], row.row_hash)
    assert (found["counted"], found["origin"], found["bars"]) == (False, "caller", 300)
    assert set(found["features_null"]) == {name for name, value in row.values.items() if value is None}
    assert shared_predictor.newest("SHARED")["id"] == before
    assert found["id"] not in {one.id for one in broker.published("SHARED")}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"high": 1.0}, "high is below open, close or low"),
        ({"close": -5.0}, "not positive"),
        ({"volume": -1}, "volume is negative"),
        ({"timestamp": "2026-01-05T15:00:30Z"}, "timestamp has seconds"),
        ({"timestamp": "2026-01-05T15:00:00"}, "a time needs a zone"),
        ({"known_at": "2026-01-05T15:00:00Z"}, "known_at is before the bar's close"),
        ({"close": "much"}, "valid number"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_bars_that_break_the_contract_are_422_with_the_reason(
    shared_predictor: Serving, changes: dict[str, Any], says: str
) -> None:
    body = {"ticker": "SHARED", "bars": [bars(1)[0] | changes]}
    found = is_problem(shared_predictor.client.post("/v1/predictions", json=body), 422, "invalid")
    assert says in found["errors"][0]["what"]


def test_text_that_cannot_be_stored_is_422(shared_predictor: Serving) -> None:
    answer = shared_predictor.client.post(
        "/v1/training", content=rb'{"reason": "\u0000"}', headers={"Content-Type": "application/json"}
    )
    assert "U+0000" in is_problem(answer, 422, "invalid")["detail"]


def test_training_is_filed_in_kafka_and_acknowledged(broker: Broker, shared_predictor: Serving) -> None:
    wish = {"tickers": ["SHARED", "NEW"], "kinds": ["regression_gb"]}
    answer = shared_predictor.client.post("/v1/training", json=wish)
    assert answer.status_code == 202
    at = answer.json()
    record = broker.records("start_model")[-1]
    assert (record.position.topic, record.position.partition, record.position.offset) == (
        at["topic"], at["partition"], at["offset"],
    )  # fmt: skip
    sent = broker.wishes()[-1]
    assert (sent["tickers"], sent["kinds"], sent["run_id"]) == (wish["tickers"], wish["kinds"], None)
    for bad in ({"tickers": []}, {"kinds": ["magic"]}, {"tickers": ["no ticker"]}, {"run": 1}, [], "x"):
        is_problem(shared_predictor.client.post("/v1/training", json=bad), 422, "invalid")
    plain = shared_predictor.client.post("/v1/training", content=b"{}", headers={"Content-Type": "text/plain"})
    is_problem(plain, 415, "not-json")


def test_runs_tell_what_kafka_knows_and_that_jobs_cannot_be_asked_for(
    broker: Broker, shared_predictor: Serving
) -> None:
    declared = RunDeclared(
        run_id="files-1", run_set="files", topics=("h_alpaca", "h_company"), source="files", simulated=False,
        attempt=1, at=NOW,
    )  # fmt: skip
    counts = tuple(PartitionCount(partition=n, next_offset=5, records=5, rows=50) for n in range(2))
    confirmed = TopicConfirmed(run_id="files-1", topic="h_alpaca", attempt=1, partitions=counts, rejected=3, at=NOW)
    for event in (declared, confirmed):
        broker.raw(RUNS.name, b"files-1", event.encode())

    found = eventually(
        lambda: (said := shared_predictor.get("/v1/runs").json())["runs"] and said["runs"][0]["refused"] and said
    )
    run = found["runs"][0]
    assert (run["state"], run["rows"], run["refused"]) == ("sending", {"h_alpaca": 100, "h_company": None}, 3)
    assert found["training"]["reachable"] is False
    assert "PostgreSQL" in found["training"]["reason"]
    broker.raw(RUNS.name, b"files-1", confirmed.model_copy(update={"topic": "h_company"}).encode())
    eventually(lambda: shared_predictor.get("/v1/runs").json()["runs"][0]["state"] == "sent")


def test_stream_tells_answers_and_deployments_of_the_tickers_asked_for_and_every_run(
    broker: Broker, shared_predictor: Serving, model_dir: Path
) -> None:
    rows = [feature_row("HEARD", minute) for minute in range(2)]
    run = RunDeclared(
        run_id="heard-1", run_set="heard", topics=("h_alpaca",), source="files", simulated=False, attempt=1, at=NOW
    )
    with shared_predictor.stream(tickers="HEARD") as told:
        broker.events(*deployed(model_dir, "HEARD"))
        shared_predictor.has_models("HEARD")
        for row in rows:
            broker.rows(feature_row("SHARED", 200), row)
            shared_predictor.shows(row)
        broker.raw(RUNS.name, b"heard-1", run.encode())
        heard = list(islice(told, 6))

    assert [event for event, _ in heard] == ["model"] * 3 + ["prediction"] * 2 + ["run"]
    assert len(heard[2][1]["models"]) == 3
    assert [said["row_hash"] for _, said in heard[3:5]] == [row.row_hash for row in rows]
    assert (heard[5][1]["state"], heard[5][1]["rows"]) == ("sending", {"h_alpaca": None})
    assert heard[5][1] in shared_predictor.get("/v1/runs").json()["runs"]


def test_open_inference_protocol_answers_as_the_bundle(shared_predictor: Serving, model_dir: Path) -> None:
    name = "SHARED.regression_gb"
    metadata = shared_predictor.get(f"/v2/models/{name}").json()
    assert metadata["parameters"]["features"] == list(FEATURES)
    assert shared_predictor.get(f"/v2/models/{name}/ready").json()["ready"] is True
    index = shared_predictor.client.post("/v2/repository/index").json()
    assert {"name": name, "version": "3", "state": "READY", "reason": ""} in index
    rows = [[0.5, None, 1.0, -1.0, 0.0], [1, 2, 3, 4, 5]]
    tensor = {"name": "features", "shape": [2, 5], "datatype": "FP32", "data": rows}
    infer = partial(shared_predictor.client.post, f"/v2/models/{name}/infer")
    nested = infer(json={"id": "7", "inputs": [tensor]}).json()
    flat = infer(json={"inputs": [tensor | {"data": [*rows[0], *rows[1]]}]}).json()

    bundle = load_bundle(model_dir, bundles("SHARED")["regression_gb"].digest)
    expected = bundle.predict(np.array([[0.5, np.nan, 1.0, -1.0, 0.0], [1, 2, 3, 4, 5]], np.float32))
    assert nested["id"] == "7"
    assert nested["outputs"] == flat["outputs"]
    assert nested["outputs"] == [{"name": "answer", "shape": [2], "datatype": "FP64", "data": expected.tolist()}]
    for bad in (tensor | {"shape": [5, 2]}, tensor | {"datatype": "BYTES"}, tensor | {"shape": [0, 5], "data": []}):
        is_problem(infer(json={"inputs": [bad]}), 422, "invalid")
    is_problem(infer(json={"inputs": [tensor | {"data": [[1e300] * 5] * 2}]}), 422, "invalid")
    is_problem(shared_predictor.get("/v2/models/SHARED.magic"), 404, "unknown-model")


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/training", "/v2/models/SHARED.regression_gb/infer"])
def test_body_above_the_limit_of_the_settings_is_413(shared_predictor: Serving, path: str) -> None:
    def blank(mib: int) -> Iterator[bytes]:
        for _ in range(mib):
            yield b" " * 1024 * 1024

    for mib, status, kind in ((8, 422, "invalid"), (9, 413, "too-large")):
        answer = shared_predictor.client.post(path, content=blank(mib), headers={"Content-Type": "application/json"})
        is_problem(answer, status, kind)
    assert "More than 8,388,608 bytes. Send less, or raise PREDICTOR_MAX_BODY_MIB." in answer.text


def test_openapi_documents_every_route_with_its_problems(shared_predictor: Serving) -> None:
    document = shared_predictor.get("/openapi.json").json()
    assert {"/v1/predictions/{ticker}", "/v1/training", "/v1/stream", "/v2/models/{name}/infer"} <= document[
        "paths"
    ].keys()
    text, schemas = json.dumps(document), document["components"]["schemas"]
    used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= schemas.keys(), "every reference leads somewhere"
    assert "409" in document["paths"]["/v1/predictions/{ticker}"]["get"]["responses"]
    assert document["paths"]["/v1/predictions"]["post"]["requestBody"]["content"]["application/json"]["example"]


def test_openapi_shows_an_example_of_every_answer_that_its_model_takes(shared_predictor: Serving) -> None:
    document = shared_predictor.get("/openapi.json").json()
    models, shown = {model.__name__: model for model in EXAMPLES}, []
    for operation in [one for path in document["paths"].values() for one in path.values()]:
        for status in {"200", "202"} & operation["responses"].keys():
            schema = operation["responses"][status]["content"].get("application/json", {}).get("schema")
            parts = schema.get("anyOf", [schema.get("items", schema)]) if schema else []
            shown += [part["$ref"].rpartition("/")[2] for part in parts]
    assert len(shown) >= 19, "every route but the stream"
    assert set(shown) == models.keys()
    for name, model in models.items():
        (example,) = document["components"]["schemas"][name]["examples"]
        read = model.model_validate_json(json.dumps(example))
        assert json.loads(read.model_dump_json()) == example, "no field too many or too few"


def test_age_is_in_the_metrics_and_requests_are_counted_by_route(shared_predictor: Serving) -> None:
    shared_predictor.get("/v1/predictions/SHARED")
    text = shared_predictor.get("/metrics").text
    assert 'tickerstream_prediction_age_seconds{ticker="SHARED"}' in text
    assert 'tickerstream_http_requests_total{method="GET",route="/v1/predictions/{ticker}",status="200"}' in text
    assert 'tickerstream_feature_age_seconds{ticker="SHARED"}' in text
    assert re.search(r'tickerstream_model_age_seconds\{kind="\w+",ticker="SHARED"\}', text)
    assert re.search(r'tickerstream_models_serving\{kind="\w+",verdict="[\w ]+"\}', text)
    assert re.search(r"tickerstream_prediction_compute_seconds_count [1-9]", text)
    assert re.search(r'tickerstream_sent_records_total\{topic="predictions"\} [1-9]', text)
    assert 'tickerstream_disk_free_bytes{volume="models"}' in text
    assert 'tickerstream_service_state{state="running"} 1.0' in text
