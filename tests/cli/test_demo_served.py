"""The whole way on a small simulated exchange: from bars to served predictions, by the command as people type it."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import urllib3
from sqlalchemy import Engine, text

from cli.settings import connect
from infra.embedded import stack
from infra.embedded.addresses import Addresses, addresses
from infra.embedded.layout import Home
from shared.contracts.predictions import Prediction
from shared.contracts.training import MODEL_KINDS
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.modelling.bundle import load_bundle
from shared.storage.feature_reader import FeatureReader
from shared.storage.feature_tables import activate, drop_feature_set, ensure_feature_set
from shared.storage.postgres import open_engine, transaction
from tests.cli.conftest import Command

TICKERS = ("SIM.ALFA", "SIM.BRAVO")
SESSIONS = 12
SMALL = ("--tickers", str(len(TICKERS)), "--sessions", str(SESSIONS), "--seed", "5")


@dataclass(frozen=True)
class ServedDemo:
    """A stack that is up, and the report of a demo that went the whole way on it."""

    command: Command
    addresses: Addresses
    report: dict[str, Any]
    text: str


@pytest.fixture(scope="module")
def served(
    new_home: Callable[[], AbstractContextManager[Home]],
    jar_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedDemo]:
    """One demo to the end; the stack stays up for the tests."""
    file = tmp_path_factory.mktemp("reports") / "report.json"
    with new_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TICKERSTREAM_CACHE", str(jar_cache))
        patch.setenv("LAKE_FLUSH_SECONDS", "1")
        command = Command(home)
        try:
            stack.start(home)
            result = command("demo", "--once", *SMALL, "--report", str(file))
            assert result.exit_code == 0, result.output
            yield ServedDemo(command, addresses(home), json.loads(file.read_text()), result.stdout)
        finally:
            stack.stop(home)


def query(where: Addresses, sql: str) -> list[tuple[Any, ...]]:
    """Ask the stack's PostgreSQL by a client of our own."""
    with psycopg2.connect(
        host=where.postgres_host,
        port=where.postgres_port,
        dbname=where.postgres_db,
        user=where.postgres_user,
        password=where.postgres_password,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall()


def test_demo_makes_a_row_of_every_bar_and_serves_three_models_a_ticker(served: ServedDemo) -> None:
    report = served.report
    assert (report["lost"], report["duplicated"], report["verified"]) == (0, 0, True)
    assert report["tickers"] == report["predictions"] == len(TICKERS)
    assert (report["feature_rows_missing"], report["models_failed"]) == (0, 0)
    assert report["models_trained"] == report["models_served"] == len(TICKERS) * len(MODEL_KINDS)
    assert report["verdicts"] == {"skill": 0, "no skill": 0, "worse": 0, "insufficient": report["models_served"]}


def test_demo_tells_the_time_of_each_stage_and_the_memory_of_each_process(served: ServedDemo) -> None:
    seconds, peaks = served.report["seconds"], served.report["peak_rss_mib"]
    assert 0 < seconds["first_prediction"] < seconds["total"]
    assert seconds["train"] > 0
    assert {"kafka", "postgres", "mongo", "consumers-stock", "aggregator", "train", "predictor"} <= set(peaks)
    assert served.report["peak_together_mib"] > max(peaks.values())


def test_rows_and_jobs_in_the_database_are_those_of_the_report(served: ServedDemo) -> None:
    rows = (
        "SELECT ticker, count(*), count(DISTINCT timestamp) FROM aggregated_data WHERE superseded_at IS NULL GROUP BY 1"
    )
    found = sorted(query(served.addresses, rows))
    assert [ticker for ticker, _, _ in found] == list(TICKERS)
    assert all(count == different for _, count, different in found)
    assert sum(count for _, count, _ in found) == served.report["feature_rows"]
    assert query(served.addresses, "SELECT state, count(*) FROM training_jobs GROUP BY 1") == [("done", 6)]
    digests = query(served.addresses, "SELECT DISTINCT digest FROM models")
    parities = [load_bundle(served.command.home.models, digest).manifest.parity for (digest,) in digests]
    assert len(parities) == 6
    assert all(parity.rows_with_nulls > 0 for parity in parities), "each graph was held to rows with nulls"


def test_predict_tells_what_the_predictor_serves(served: ServedDemo) -> None:
    [document] = served.command.json("predict", TICKERS[0])
    prediction = Prediction.model_validate(document)
    assert prediction.simulated is True
    assert prediction.leads == "baseline"  # nothing has skill
    assert {answer.kind for answer in prediction.models} == set(MODEL_KINDS)
    assert prediction.price_level == pytest.approx(prediction.close * (1 + prediction.expected_return))
    shown = served.command("predict", *TICKERS)
    assert shown.exit_code == 0
    assert all(ticker in shown.stdout for ticker in TICKERS)


def test_predict_of_an_unknown_ticker_says_so(served: ServedDemo) -> None:
    result = served.command("predict", "NOSUCH")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: NOSUCH: ")
    assert result.stderr.count("\n") == 1


def test_status_tells_of_training_and_where_the_page_is(served: ServedDemo) -> None:
    found = served.command.json("status")
    assert (found["healthy"], found["page"]) == (True, served.addresses.page)
    assert found["training"]["done"] == 6
    page = urllib3.request("GET", found["page"], retries=False)
    assert (page.status, "html" in page.headers["content-type"]) == (200, True)
    assert f"page: {found['page']}" in served.command("status").stdout


def test_runs_show_tells_of_features_and_training(served: ServedDemo) -> None:
    [run] = served.command.json("runs", "list")
    found = served.command.json("runs", "show", run["run_id"])
    assert found["features"]["state"] == "done"
    assert [ticker["ticker"] for ticker in found["training"]["tickers"]] == list(TICKERS)
    assert "of 6 models made" in served.command("runs", "show", run["run_id"]).stdout


def test_models_list_and_show_put_the_baseline_beside(served: ServedDemo) -> None:
    models = served.command.json("models", "list")
    assert [(m["ticker"], m["serves"], m["verdict"]) for m in models] == [
        (ticker, True, "insufficient") for ticker in TICKERS for _ in MODEL_KINDS
    ]
    one = served.command("models", "show", models[0]["model_id"])
    assert one.exit_code == 0
    assert "out of sample" in one.stdout
    assert served.command("models", "show", "NOSUCH").exit_code == 2


def test_features_list_counts_the_rows(served: ServedDemo) -> None:
    found = served.command.json("features", "list")
    assert sum(ticker["rows"] for ticker in found["tickers"]) == served.report["feature_rows"]
    assert [one["state"] for one in found["feature_sets"]] == ["active"]


def test_stored_rows_are_what_the_lake_gives_bit_by_bit(served: ServedDemo) -> None:
    found = served.command.json("verify", "features")
    assert (found["clean"], found["rows"]) == (True, served.report["feature_rows"])


def test_rebuild_makes_rows_that_are_lacking_and_no_others(served: ServedDemo) -> None:
    values = ("ema_20", "rsi_14")
    rows = f"SELECT timestamp, as_of, close, {', '.join(values)} FROM aggregated_data WHERE ticker = '{TICKERS[1]}'"
    before = query(served.addresses, f"{rows} ORDER BY timestamp, as_of")
    gone = f"DELETE FROM aggregated_data WHERE ticker = '{TICKERS[1]}' AND timestamp > '2025-01-08' RETURNING 1"
    assert query(served.addresses, gone)
    assert len(query(served.addresses, rows)) < len(before)
    assert served.command.json("features", "rebuild")["weeks"] >= 2 * len(TICKERS)
    assert query(served.addresses, f"{rows} ORDER BY timestamp, as_of") == before
    found = served.command.json("verify", "features")  # rows that were made just now, too
    stored = query(served.addresses, "SELECT count(*) FROM aggregated_data")
    assert (found["clean"], found["rows"]) == (True, served.report["feature_rows"])
    assert [(found["revisions"] + found["overtaken"],)] == stored


def give_rows_to(engine: Engine, older: str) -> None:
    """Let the rows be those of another set, which is in use, while the catalogue's is new: as after an upgrade."""
    with transaction(engine) as connection:
        ensure_feature_set(connection, older, NAMES[:-1])
        activate(connection, older)
        anew = "UPDATE feature_sets SET state = 'building', activated_at = NULL WHERE name = :catalogues"
        connection.execute(text(anew), {"catalogues": FEATURE_SET})
        connection.execute(text("UPDATE aggregated_data SET feature_set = :older"), {"older": older})


def test_rebuild_into_a_new_set_leaves_the_old_one_in_use_until_every_row_is_made(served: ServedDemo) -> None:
    older = "of_before"
    with open_engine(connect(served.command.home.root).postgres) as engine:
        reader = FeatureReader(engine)

        def digests(name: str | None) -> list[str]:
            return [reader.rows_digest(ticker, name) for ticker in TICKERS]

        def states() -> dict[str, str]:
            return dict(query(served.addresses, "SELECT name, state FROM feature_sets"))

        made = digests(FEATURE_SET)
        give_rows_to(engine, older)
        before, listed = digests(older), served.command.json("features", "list")
        assert "the catalogue has another feature set" in served.command("features", "list").stdout

        some = served.command.json("features", "rebuild", TICKERS[0])
        assert (some["feature_set"], some["before"]) == (FEATURE_SET, older)
        assert states() == {older: "active", FEATURE_SET: "building"}
        assert [one.ticker for one in reader.coverage(FEATURE_SET)] == [TICKERS[0]]
        assert served.command.json("features", "list") == listed
        assert digests(None) == before

        rest = served.command("features", "rebuild")
        assert f"{FEATURE_SET} is in use now instead of {older}" in " ".join(rest.stdout.split())
        assert states() == {older: "retired", FEATURE_SET: "active"}
        assert digests(None) == made
        assert digests(older) == before
        with transaction(engine) as connection:
            drop_feature_set(connection, older)


def test_train_by_hand_makes_the_next_version_of_one_model(served: ServedDemo) -> None:
    found = served.command.json("train", TICKERS[0], "--kinds", "regression_gb", "--wait")
    assert (found["models"], found["failed"]) == (1, [])
    versions = [m["version"] for m in served.command.json("models", "list", "--all") if m["kind"] == "regression_gb"]
    assert versions == [1, 2, 1]
    nonsense = served.command("train", TICKERS[0], "--kinds", "crystal_ball")
    assert nonsense.exit_code == 2
    assert "crystal_ball" in nonsense.stderr


def test_demo_again_trains_nothing_again(served: ServedDemo, tmp_path: Path) -> None:
    file = tmp_path / "again.json"
    result = served.command("demo", "--once", *SMALL, "--report", str(file))
    assert result.exit_code == 0, result.output
    report = json.loads(file.read_text())
    assert report["already_done"] is True
    assert report["feature_rows"] == served.report["feature_rows"]
    assert query(served.addresses, "SELECT count(*) FROM training_jobs") == [(7,)]  # one by hand
