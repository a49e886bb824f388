"""Training as a whole on real servers: wishes, models, deployments, events, profiles, failures."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from infra.embedded.ports import free_port
from shared.contracts.training import MODEL_KINDS
from shared.modelling.bundle import load_bundle
from shared.settings import MongoSettings, PostgresSettings
from shared.storage.documents import COLLECTIONS
from shared.storage.postgres import transaction
from shared.storage.profile_queue import ProfileQueue
from shared.storage.training_counts import read_counts
from shared.testing.eventually import eventually
from tests.shared.metrics.reading import Change
from tests.train.making import FEATURE_SET, FEATURES, rows_of, store_rows
from tests.train.training import Training, refitted, training

pytestmark = pytest.mark.kafka


@pytest.fixture
def one(kafka: str, database: PostgresSettings, mongo: MongoSettings, tmp_path: Path) -> Iterator[Training]:
    with training(kafka, database, mongo, tmp_path) as made:
        yield made


def test_hand_written_wish_ends_in_served_models_events_and_profiles(one: Training) -> None:
    frame = rows_of("AAPL", 1)
    store_rows(one.engine, [frame, rows_of("MSFT", 2)])
    told = Change()
    with one.running():
        one.ask(b'{"tickers":["AAPL"]}')
        run_id = eventually(one.newest_run, seconds=60)
        (ticker,) = one.settled_id(run_id)
        eventually(lambda: one.unsent() == 0)
        eventually(lambda: one.committed() == 1)
        eventually(lambda: not ProfileQueue(one.engine).due())
        eventually(lambda: one.beat["state"] == "running")

    assert (ticker.ticker, ticker.state, ticker.stage, ticker.progress) == ("AAPL", "done", "deploy", 1.0)
    served = one.registry.served()
    assert {each.model.kind for each in served} == set(MODEL_KINDS)
    assert {each.model.digest for each in served} == set(refitted(one, frame).values())
    for each in served:
        bundle = load_bundle(one.environment.models.model_dir, each.model.digest)
        assert (bundle.manifest.ticker, bundle.manifest.kind) == ("AAPL", each.model.kind)
        assert bundle.manifest.features == FEATURES
        assert bundle.record.run_id == run_id
        assert each.model.verdict_final
        assert set(each.model.seconds) >= {"folds", "fit", "convert"}
    newest = {event.kind: event for event in one.events()}
    assert [each.to_event() for each in served] == [newest[kind] for kind in sorted(newest)]
    for each in served:
        assert told.of("models_trained_total", kind=each.model.kind, verdict=each.model.verdict) >= 1
    assert {told.of("training_stage_seconds_count", stage=stage) for stage in ("folds", "fit", "convert")} == {3}
    counts = read_counts(one.engine)
    assert (counts.jobs["done"], counts.jobs["queued"], counts.oldest_job) == (3, 0, None)
    assert sum(counts.models.values()) == 3
    assert counts.newest_model is not None
    with one.documents() as store:
        ml, statistical, company = (store.get(name, "AAPL") for name in COLLECTIONS)
    assert ml is not None
    assert statistical is not None
    assert company is not None
    assert (ml["models"]["models_trained"], ml["status"], ml["profile_type"]) == (3, "active", "ml")
    by_kind = ml["models"]["metrics"]
    for each in served:
        executable = each.model.metrics["executable"]
        assert executable["rows"] > 0.5 * each.model.metrics["primary"]["rows"]
        assert executable["mean_return"] is not None
        scores = each.model.metrics["metrics"]
        wanted = ("mse", "rmse", "r2") if each.model.kind.startswith("regression") else ("accuracy", "precision", "f1")
        for name in wanted:
            assert by_kind[each.model.kind][name] == scores[name]
            assert by_kind[each.model.kind]["in_sample"][name] == each.model.metrics["in_sample"][name]
    assert by_kind["regression_rf"]["mse"] is not None
    assert sorted(name for names in ml["features"].values() for name in names) == sorted(FEATURES)
    assert statistical["rows"] == frame.height
    assert (company["name"], company["exchange"], company["filing"]) == (None, None, None)


def test_nonsense_goes_to_dead_letters_and_a_used_run_is_reported(one: Training) -> None:
    store_rows(one.engine, [rows_of("AAPL", 1, days=5)])
    with one.running():
        one.ask(b"train all, please").ask(tickers=["not a ticker"]).ask(kinds=["oracle"])
        one.ask(run_id=one.id_of("mine"), tickers=["AAPL"], kinds=["regression_gb"])
        one.ask(run_id=one.id_of("mine"), tickers=["MSFT"])
        eventually(lambda: one.committed() == 5, seconds=60)
        (ticker,) = one.settled("mine")
        eventually(lambda: "mine" in one.beat["detail"])

    assert [(letter.offset, letter.error_class) for letter in one.letters()] == [
        (0, "bad_json"),
        (1, "bad_message"),
        (2, "bad_message"),
    ]
    assert [job.kind for job in ticker.jobs] == ["regression_gb"]


def test_failing_jobs_say_why_and_hold_up_nobody(one: Training) -> None:
    store_rows(one.engine, [rows_of("AAPL", 1), rows_of("MSFT", 2), rows_of("FEW", 3, days=1, minutes=6)])
    with transaction(one.engine) as connection:  # a fault that no other try mends: the registry refuses one model
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.ticker = 'AAPL' AND "
                "NEW.kind = 'regression_rf' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER refuse BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION refuse()"))
    one.file("run", "AAPL", "FEW", "MSFT", "NONE")
    with one.running():
        aapl, few, msft, none = one.settled("run")

    assert {job.kind: (job.state, job.failures, job.attempt) for job in aapl.jobs} == {
        "regression_rf": ("failed", 3, 3),
        "classification_rf": ("done", 0, 1),
        "regression_gb": ("done", 0, 1),
    }
    assert aapl.jobs[0].error is not None
    assert "not this one" in aapl.jobs[0].error
    assert [(job.state, job.failures) for job in few.jobs + none.jobs] == [("failed", 1)] * 6
    assert {job.error for job in none.jobs} == {f"there are no feature rows of NONE in feature set {FEATURE_SET}"}
    assert all(job.error and "\n" not in job.error for job in (*aapl.jobs[:1], *few.jobs))
    assert msft.state == "done"
    assert Counter(each.model.ticker for each in one.registry.served()) == {"AAPL": 2, "MSFT": 3}


def test_planted_skill_is_found_in_the_whole_run_and_noise_is_not(one: Training) -> None:
    frames = [rows_of("GOOD", 1, signal=0.9), *(rows_of(f"NOISE{n}", 10 + n) for n in range(3))]
    store_rows(one.engine, frames)
    one.file("run", *(frame["ticker"][0] for frame in frames))
    with one.running():
        one.settled("run")
        eventually(lambda: one.unsent() == 0)

    verdicts = {(m.ticker, m.kind): m.verdict for m in one.registry.models()}
    assert [verdicts["GOOD", kind] for kind in ("regression_rf", "classification_rf")] == ["skill", "skill"]
    assert "skill" not in {verdict for (ticker, _), verdict in verdicts.items() if ticker != "GOOD"}
    last = {(event.ticker, event.kind): event for event in one.events()}
    assert {key: event.verdict for key, event in last.items()} == verdicts, "whatever was said while the run went on"
    assert all(event.verdict_final for event in last.values())


def test_two_services_share_the_jobs_and_no_models_of_two_tickers_are_one(one: Training) -> None:
    same = rows_of("T0", 1)
    tickers = [f"T{n}" for n in range(6)]
    frames = {ticker: same.with_columns(ticker=rows_of(ticker, 1)["ticker"]) for ticker in tickers}
    store_rows(one.engine, list(frames.values()))
    one.file("run", *tickers)
    with one.running(), one.running():
        progress = one.settled("run", seconds=90)

    assert {(job.state, job.attempt) for ticker in progress for job in ticker.jobs} == {("done", 1)}
    digests = Counter(each.model.digest for each in one.registry.served())
    assert len(digests) == 3 * len(tickers), "equal rows of two tickers make two models"
    for ticker in tickers[:3]:
        served = {each.model.kind: each.model.digest for each in one.registry.served(ticker)}
        assert served == refitted(one, frames[ticker])


def test_document_store_that_is_down_delays_profiles_only(one: Training) -> None:
    store_rows(one.engine, [rows_of("AAPL", 1, days=5)])
    there = one.environment.mongo
    one.reach(mongo=MongoSettings.load(mongo_uri=f"mongodb://127.0.0.1:{free_port()}"))
    one.file("run", "AAPL")
    with one.running():
        one.settled("run")
        eventually(lambda: one.unsent() == 0)
        eventually(lambda: "document store" in one.beat["detail"])
        assert one.beat["state"] == "running"
    assert {event.ticker for event in one.events()} == {"AAPL"}
    assert ProfileQueue(one.engine).due() == ["AAPL"]

    one.reach(mongo=there)
    with one.running(), one.documents() as store:
        eventually(lambda: store.get("company_profiles", "AAPL") is not None)


def test_newer_run_takes_over(one: Training) -> None:
    store_rows(one.engine, [rows_of("AAPL", 1, days=5)])
    one.file("first", "AAPL")
    with one.running():
        one.settled("first")
        one.file("second", "AAPL")
        one.settled("second")
        eventually(lambda: one.unsent() == 0)

    assert {(each.model.run_id, each.model.version) for each in one.registry.served()} == {(one.id_of("second"), 2)}
    for kind in MODEL_KINDS:
        history = one.registry.history("AAPL", kind)
        assert [each.previous for each in history] == [None, *(each.sequence for each in history[:-1])]
        assert [each.model.version for each in history] == [1, 1, 2, 2], "each once more when its verdict was final"
        assert [e.sequence for e in one.events() if e.kind == kind] == [each.sequence for each in history]
