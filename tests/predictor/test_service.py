"""Whole predictors on a real broker: rows and deployments in, answers out, through faults and restarts."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine

from infra.embedded.layout import Home
from infra.embedded.ports import free_port
from predictor.answering import prediction_id
from predictor.models import ModelBook
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.predictions import Prediction
from shared.contracts.topics import DEAD_LETTERS, FEATURES, MODEL_EVENTS, START_MODEL, TOPICS
from shared.contracts.training import ModelEvent
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.modelling.bundle import LoadedBundle, load_bundle, write_bundle
from shared.settings import KafkaSettings, PostgresSettings
from shared.storage.deployments import Decision, Deployments
from shared.storage.jobs import NewRun, TrainingJobs
from shared.storage.models import NewModel
from shared.storage.postgres import make_engine
from shared.storage.prediction_ledger import PredictionLedger
from shared.testing.eventually import eventually
from tests.conftest import running_kafka
from tests.predictor.making import COMPACTED, KEPT, NOW, bundles, deployed, event_of, feature_row
from tests.predictor.serving import Broker, Serving, serving

pytestmark = pytest.mark.kafka


def test_answer_is_what_the_bundles_say_and_baseline_leads_without_skill(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    row, events = feature_row("SAID"), deployed(model_dir, "SAID")
    broker.events(*events)
    shared_predictor.has_models("SAID")
    broker.rows(row)

    found = shared_predictor.shows(row)

    for event, said in zip(events, found["models"], strict=True):
        bundle = load_bundle(model_dir, event.digest)
        vector = [np.nan if row.values[name] is None else row.values[name] for name in bundle.manifest.features]
        assert said["value"] == bundle.predict(np.array([vector], np.float32))[0]
        assert (said["digest"], said["verdict"], said["model_id"]) == (event.digest, "no skill", event.model_id)
    prior = bundles("SAID")["classification_rf"].manifest.prior_up
    assert found["leads"] == "baseline"
    assert (found["expected_return"], found["price_level"], found["probability_up"]) == (0.0, row.close, prior)
    assert found["id"] == prediction_id([event.digest for event in events], row.row_hash)
    assert found["stale"] is True
    assert found["age_seconds"] > 86400, "a row of long ago says so"


def test_every_answer_is_published_once_before_it_is_served(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    broker.events(*deployed(model_dir, "ONCE", verdicts=("skill", "no skill", "no skill")))
    shared_predictor.has_models("ONCE")
    rows = [feature_row("ONCE", minute) for minute in range(4)]
    broker.rows(*rows, rows[3], rows[1])
    served = shared_predictor.shows(rows[3])

    published = broker.published("ONCE")
    assert [one.row_hash for one in published] == [row.row_hash for row in rows]
    newest = {name: value for name, value in served.items() if name not in ("age_seconds", "stale")}
    assert json.loads(published[3].encode()) == newest, "what is served is what was published"
    assert served["leads"] == "model"
    assert served["expected_return"] == served["models"][0]["value"]
    assert served["price_level"] == pytest.approx(rows[3].close * (1 + served["expected_return"]), rel=1e-15)


def test_older_row_does_not_replace_a_newer_one_but_a_revision_does(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    broker.events(*deployed(model_dir, "ORDER"))
    shared_predictor.has_models("ORDER")
    broker.rows(feature_row("ORDER", 5), feature_row("ORDER", 3), feature_row("ORDER", 4))
    shared_predictor.shows(feature_row("ORDER", 5))
    revised = feature_row("ORDER", 5, revision=2)
    broker.rows(revised, feature_row("ORDER", 5))
    shared_predictor.shows(revised)
    broker.rows(feature_row("ORDER", 6))
    shared_predictor.shows(feature_row("ORDER", 6))

    assert [one.timestamp.minute for one in broker.published("ORDER")] == [5, 5, 6]


def test_deployment_swaps_the_model_and_a_lower_sequence_does_not(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    row, first, second = feature_row("SWAP"), bundles("SWAP", 1), bundles("SWAP", 2)
    kind = "regression_gb"
    write_bundle(model_dir, first[kind])
    write_bundle(model_dir, second[kind])
    broker.events(event_of(first[kind], 10))
    broker.rows(row)
    before = shared_predictor.shows(row)
    broker.events(event_of(second[kind], 12, "skill"))
    eventually(lambda: shared_predictor.newest("SWAP")["models"][0]["digest"] == second[kind].digest)
    broker.events(event_of(first[kind], 11), event_of(first[kind], 12))
    broker.rows(feature_row("SWAP", 1))
    after = shared_predictor.shows(feature_row("SWAP", 1))

    assert before["leads"] == "baseline"
    assert (after["models"][0]["digest"], after["leads"]) == (second[kind].digest, "model")
    broker.events(event_of(second[kind], 13, event="retired"))
    eventually(lambda: shared_predictor.get("/v1/predictions/SWAP").status_code == 409)
    assert shared_predictor.get("/v1/predictions/SWAP").json()["missing"] == ["models"]


def test_model_that_is_deployed_again_takes_effect_without_being_loaded_again(tmp_path: Path) -> None:
    event = deployed(tmp_path, "AAPL")[0]
    loaded: list[str] = []

    def load(folder: Path, digest: str) -> LoadedBundle:
        loaded.append(digest)
        return load_bundle(folder, digest)

    book = ModelBook(tmp_path, lambda: NOW, load)
    assert book.apply(event)
    assert book.apply(event.model_copy(update={"sequence": 2, "verdict": "skill", "verdict_final": True}))
    assert book.of("AAPL")[event.kind].event.verdict == "skill"
    assert loaded == [event.digest]


def test_spoilt_bundle_leaves_the_old_model_serving_and_raises_an_alert_until_it_is_mended(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    row, good, better = feature_row("SPOILT"), bundles("SPOILT", 1), bundles("SPOILT", 2)
    kind = "regression_gb"
    write_bundle(model_dir, good[kind])
    broker.events(event_of(good[kind], 20))
    broker.rows(row)
    shared_predictor.shows(row)
    spoilt = model_dir / write_bundle(model_dir, better[kind]) / "model.onnx"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    broker.events(event_of(better[kind], 21))

    def alerts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shared_predictor.get("/v1/models/SPOILT").json()["alerts"]
        return found

    eventually(alerts)
    assert "model.onnx is altered" in alerts()[0]["reason"]
    assert shared_predictor.newest("SPOILT")["models"][0]["digest"] == good[kind].digest
    assert "tickerstream_model_alerts 3.0" in shared_predictor.get("/metrics").text, "this one, and those of BEFORE"
    spoilt.unlink()
    write_bundle(model_dir, better[kind])
    eventually(lambda: shared_predictor.newest("SPOILT")["models"][0]["digest"] == better[kind].digest)
    assert alerts() == []


def test_bundle_of_another_ticker_is_not_served(broker: Broker, model_dir: Path, shared_predictor: Serving) -> None:
    bundle = bundles("SHARED")["regression_gb"]
    write_bundle(model_dir, bundle)
    broker.events(event_of(bundle, 30, ticker="OTHER"))
    eventually(lambda: shared_predictor.get("/v1/models/OTHER").json().get("alerts"))
    answer = shared_predictor.get("/v1/models/OTHER").json()
    assert answer["models"] == []
    assert "is of ticker SHARED" in answer["alerts"][0]["reason"]


def test_what_is_no_message_is_a_dead_letter_and_stops_nothing(broker: Broker, shared_predictor: Serving) -> None:
    broker.raw(FEATURES.name, b"SHARED", b"nonsense")
    broker.raw(FEATURES.name, b"OTHER", feature_row("SHARED", 7).encode())
    broker.raw(MODEL_EVENTS.name, b"x/y", b"{}")
    row = feature_row("SHARED", 9000)
    broker.rows(row)
    shared_predictor.shows(row)

    def letters() -> list[tuple[str, str]]:
        records = broker.records(DEAD_LETTERS.name)
        found = [DeadLetter.from_record(one.key, one.value, one.headers) for one in records]
        return sorted((one.topic, one.error_class) for one in found if one.service == "predictor")

    expected = [("features", "bad_json"), ("features", "wrong_key"), ("model_events", "bad_message")]
    eventually(lambda: [one for one in expected if one in letters()] == expected)


def test_row_of_another_feature_set_has_no_answer_and_says_what_is_missing(
    broker: Broker, model_dir: Path, shared_predictor: Serving
) -> None:
    broker.events(*deployed(model_dir, "SETS"))
    shared_predictor.has_models("SETS")
    broker.rows(feature_row("SETS"))
    shared_predictor.shows(feature_row("SETS"))
    broker.rows(feature_row("SETS", 1, feature_set="fother"))

    answer = eventually(lambda: (found := shared_predictor.get("/v1/predictions/SETS")).status_code == 409 and found)
    assert answer.json()["missing"] == ["models of fother"]


PLACES = {"after_take": 1, "before_show": 2}  # of publications the first is the start's
MORE_PLACES = {"before_take": 1, "before_publish": 2}


@pytest.mark.parametrize("places", [PLACES, pytest.param(MORE_PLACES, marks=pytest.mark.torture)])
def test_predictor_killed_while_it_takes_a_deployment_answers_the_same_afterwards(
    broker: Broker, model_dir: Path, tmp_path: Path, places: dict[str, int]
) -> None:
    names = [place.upper().replace("_", ".") for place in places]
    for number, (place, passage) in enumerate(places.items()):
        ticker = f"SIM.{names[number]}"
        broker.events(*deployed(model_dir, ticker, verdicts=("no skill", "skill", "no skill")))
        broker.rows(feature_row(ticker, 0), feature_row(ticker, 1))
        with serving(
            broker, tmp_path, model_dir, {"TICKERSTREAM_FAILPOINTS": f"predictor.{place}=kill@{passage}"}
        ) as one:
            one.await_ready()
            for earlier in range(number):
                check_same(broker, one, f"SIM.{names[earlier]}")
            broker.events(*deployed(model_dir, ticker, 50, seed=2))
            assert one.process.wait(30) == -9
    with serving(broker, tmp_path, model_dir) as one:
        one.await_ready()
        for number in range(len(places)):
            check_same(broker, one, f"SIM.{names[number]}")
        assert one.stop() == 0
        assert one.beat["state"] == "stopped"


def check_same(broker: Broker, one: Serving, ticker: str) -> None:
    """Expect the id that the newest models and row make, and one content for it however often it was published."""
    found = Prediction.model_validate(one.newest(ticker))
    row = feature_row(ticker, 1)
    assert found.id == prediction_id([bundle.digest for bundle in bundles(ticker, 2).values()], row.row_hash)
    copies = [other for other in broker.published(ticker) if other.id == found.id]
    assert found in copies, "nothing is served that is not published"
    assert {other.model_copy(update={"made_at": found.made_at}) for other in copies} == {found}
    assert (found.simulated, found.leads) == (True, "baseline")


def test_start_with_a_spoilt_newest_bundle_serves_the_one_before_also_when_its_event_is_compacted_away(
    broker: Broker, shared_predictor: Serving
) -> None:
    records = [
        ModelEvent.decode(one.value)
        for one in broker.records(MODEL_EVENTS.name)
        if (one.key or b"").startswith(b"BEFORE/")
    ]
    assert [(one.kind, one.sequence) for one in records] == [(KEPT, 60), (KEPT, 61), (COMPACTED, 63)]
    said = [(one["kind"], one["digest"], one["verdict"]) for one in shared_predictor.newest("BEFORE")["models"]]
    good = bundles("BEFORE", 1)
    assert said == [(KEPT, good[KEPT].digest, "no skill"), (COMPACTED, good[COMPACTED].digest, "skill")]
    found = shared_predictor.get("/v1/models/BEFORE").json()
    assert [(one["sequence"], one["version"]) for one in found["models"]] == [(60, 60), (62, 62)]
    assert [one["version"] for one in found["alerts"]] == [61, 63]


def test_as_of_and_history_reach_back_to_the_ledger(
    broker: Broker, model_dir: Path, tmp_path: Path, database: PostgresSettings
) -> None:
    engine = make_engine(database)
    broker.events(*deployed(model_dir, "LEDGER"))
    broker.rows(*(feature_row("LEDGER", minute) for minute in range(3)))
    environment = {
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_DB": database.postgres_db,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
    }
    with serving(broker, tmp_path, model_dir, environment) as one:
        newest = Prediction.model_validate(one.await_ready().shows(feature_row("LEDGER", 2)))
        hour = timedelta(hours=1)
        before = {"id": "0" * 32, "as_of": newest.as_of - hour, "timestamp": newest.timestamp - hour}
        earlier = newest.model_copy(update=before)
        PredictionLedger(engine).add([earlier, newest])

        at = earlier.as_of + timedelta(minutes=1)
        assert one.get("/v1/predictions/LEDGER", as_of=at.isoformat()).json()["id"] == earlier.id
        assert one.get("/v1/predictions/LEDGER", as_of=newest.as_of.isoformat()).json()["id"] == newest.id
        nothing = one.get("/v1/predictions/LEDGER", as_of=(earlier.as_of - timedelta(days=1)).isoformat())
        assert (nothing.status_code, nothing.json()["type"]) == (404, "urn:tickerstream:problem:no-prediction")
        history = one.get("/v1/predictions/LEDGER/history").json()
        assert [found["id"] for found in history["predictions"]] == [earlier.id, newest.id]
        assert history["complete"] is True
        assert [datetime.fromisoformat(one["timestamp"]) for one in history["closes"]][-1] == newest.timestamp
        check_training_shows(one, engine)
    engine.dispose()


def check_training_shows(one: Serving, engine: Engine) -> None:
    """Expect jobs as they progress, and the deployments in force at an instant as the registry has them."""
    jobs = TrainingJobs(engine)
    with one.stream(tickers="LEDGER") as told:
        jobs.file(NewRun("by-hand", "source", ["LEDGER"], ["regression_gb"], "f1"))
        (job,) = jobs.claim("by-hand", "LEDGER", "me", timedelta(seconds=60))
        jobs.report(job, "fit", 0.25)
        heard = next(said for event, said in told if event == "job" and said["progress"] == 0.25)
    assert (heard["ticker"], heard["stage"], heard["jobs"][0]["kind"]) == ("LEDGER", "fit", "regression_gb")
    training = one.get("/v1/runs").json()["training"]
    assert training["reachable"], training["reason"]
    assert training["tickers"] == [heard]
    new = NewModel(
        ticker="LEDGER", kind="regression_gb", digest="a" * 64, run_id="by-hand", feature_set="f1", horizon_minutes=5,
        metrics={}, seconds={}, trained_from=NOW, trained_to=NOW, rows=9, simulated=False,
    )  # fmt: skip
    store = Deployments(engine)
    store.complete(job, new, {}, lambda metrics, _: ["worse"] * len(metrics), lambda *_: Decision(True, "first"))
    at = datetime.now(UTC)
    (found,) = one.get("/v1/models/LEDGER", at=at.isoformat()).json()["deployments"]
    assert (found["kind"], found["version"], found["verdict"], found["event"]) == (
        "regression_gb", 1, "worse", "deployed",
    )  # fmt: skip
    before = one.get("/v1/models/LEDGER", at=(at - timedelta(days=1)).isoformat())
    assert (before.status_code, before.json()["type"]) == (404, "urn:tickerstream:problem:no-model-then")
    eventually(lambda: one.get("/v1/runs").json()["training"]["runs"][0]["done"] == 1)


def test_wish_that_kafka_refuses_harms_no_prediction(
    new_home: Callable[[], AbstractContextManager[Home]], model_dir: Path, tmp_path: Path
) -> None:
    with new_home() as home, running_kafka(home) as server:
        settings = KafkaSettings.load(kafka_bootstrap_servers=server.bootstrap_servers, kafka_partitions=1)
        KafkaAdmin(settings).provision([topic for topic in TOPICS if topic is not START_MODEL])
        with KafkaWriter(settings, "tests") as writer, serving(Broker(settings, writer), tmp_path, model_dir) as one:
            broker = Broker(settings, writer)
            broker.events(*deployed(model_dir, "WISHED"))
            one.await_ready()
            assert one.client.post("/v1/training", json={"tickers": ["WISHED"]}).status_code == 503
            row = feature_row("WISHED")
            broker.rows(row)
            one.shows(row)
            assert one.stop() == 0


def test_taken_port_ends_with_one_line(
    broker: Broker, model_dir: Path, tmp_path: Path, shared_predictor: Serving
) -> None:
    port = shared_predictor.url.rstrip("/").rpartition(":")[2]
    with serving(broker, tmp_path, model_dir, {"PREDICTOR_PORT": port}) as one:
        assert one.process.wait(60) == 2
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert last.startswith("error: PREDICTOR_HOST, PREDICTOR_PORT: cannot listen")


def test_predictor_waits_for_a_broker_that_is_away_and_says_so(model_dir: Path, tmp_path: Path, broker: Broker) -> None:
    nowhere = broker.settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}"})
    with serving(Broker(nowhere, broker.writer), tmp_path, model_dir) as one:
        eventually(lambda: one.beat.get("detail"), seconds=60)
        one.client.base_url = httpx.URL(one.url)
        assert one.get("/health/live").status_code == 200
        assert one.get("/health/ready").status_code == 503
        assert one.get("/v1/predictions/ANY").status_code == 503
        assert one.stop() == 0
