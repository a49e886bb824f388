"""Wishes for training: what each means, what is refused, and that each is filed once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from shared.contracts.training import MODEL_KINDS
from shared.errors import PoisonMessageError, TransientError
from shared.ports import Position, Record
from shared.settings import PostgresSettings
from shared.storage.job_progress import JobsView
from shared.storage.jobs import TrainingJobs
from shared.storage.postgres import make_engine, transaction
from shared.storage.trainable import TrainableRows
from train.requests import RequestHandler

AT = datetime(2026, 3, 2, tzinfo=UTC)
STORED = (("B", True, "f1"), ("A", True, "f1"), ("C", False, "f1"), ("D", True, "f2"))
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tickers", "kinds", "run_id", "x"]), inner, max_size=3)
    ),
)


@pytest.fixture
def engine(database: PostgresSettings) -> Iterator[Engine]:
    engine = make_engine(database)
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO feature_sets (name, names, state) VALUES ('f1', '{a}', 'active')"))
        connection.execute(text("INSERT INTO feature_sets (name, names, state) VALUES ('f2', '{a}', 'building')"))
        connection.execute(text("CREATE TABLE rows_f1 PARTITION OF aggregated_data FOR VALUES IN ('f1')"))
        connection.execute(text("CREATE TABLE rows_f2 PARTITION OF aggregated_data FOR VALUES IN ('f2')"))
        for ticker, active, feature_set in (
            ("B", True, "f1"),
            ("A", True, "f1"),
            ("C", False, "f1"),
            ("D", True, "f2"),
        ):
            connection.execute(text("INSERT INTO tickers (ticker, active) VALUES (:t, :a)"), {"t": ticker, "a": active})
            connection.execute(
                text(
                    "INSERT INTO aggregated_data VALUES (now(), now(), now(), 1, 1, 1, 1, false, false, false, :t, "
                    "'regular', :f, NULL)"
                ),
                {"t": ticker, "f": feature_set},
            )
        connection.execute(text("INSERT INTO tickers (ticker) VALUES ('NOROWS')"))
    yield engine
    engine.dispose()


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def handler(engine: Engine, reported: list[str]) -> RequestHandler:
    return RequestHandler(TrainingJobs(engine), TrainableRows(engine), "topic-id", reported.append)


@pytest.fixture
def view(engine: Engine) -> JobsView:
    return JobsView(engine)


def wish(offset: int = 0, /, **fields: Any) -> Record:
    return raw(json.dumps(fields).encode(), offset)


def raw(value: bytes | None, offset: int = 0) -> Record:
    return Record(Position("start_model", 0, offset), None, value, {}, AT)


def filed(view: JobsView, run_id: str) -> dict[str, list[str]]:
    return {one.ticker: [job.kind for job in one.jobs] for one in view.progress_of(run_id)}


def test_empty_wish_means_every_active_ticker_with_rows_of_the_active_set(
    handler: RequestHandler, view: JobsView
) -> None:
    handler.handle(wish(7))
    assert filed(view, "topic-id-0-7") == {"A": list(MODEL_KINDS), "B": list(MODEL_KINDS)}
    assert view.runs()[0].feature_set == "f1"


def test_hand_written_wish_names_tickers_only(handler: RequestHandler, view: JobsView) -> None:
    handler.handle(raw(b'{"tickers":["AAPL"]}', 3))
    assert filed(view, "topic-id-0-3") == {"AAPL": list(MODEL_KINDS)}


def test_every_field_counts(handler: RequestHandler, view: JobsView) -> None:
    fields = {"kinds": ["regression_gb"], "feature_set": "f2", "reason": "why", "requested_at": AT.isoformat()}
    handler.handle(wish(run_id="mine", more="is ignored", **fields))
    assert filed(view, "mine") == {"D": ["regression_gb"]}
    (run,) = view.runs()
    assert (run.reason, run.feature_set) == ("why", "f2")


def test_repeated_record_changes_nothing_and_is_no_used_run(
    handler: RequestHandler, view: JobsView, reported: list[str]
) -> None:
    for _ in range(3):
        handler.handle(wish(1, run_id="mine", tickers=["A"]))
    assert filed(view, "mine") == {"A": list(MODEL_KINDS)}
    assert reported == []


def test_used_run_id_changes_nothing_and_is_reported(
    handler: RequestHandler, view: JobsView, reported: list[str]
) -> None:
    handler.handle(wish(1, run_id="mine", tickers=["A"]))
    handler.handle(wish(2, run_id="mine", tickers=["B"]))
    assert filed(view, "mine") == {"A": list(MODEL_KINDS)}
    (said,) = reported
    assert "mine" in said
    assert "topic-id-0-2" in said


def test_two_hand_written_wishes_are_two_runs(handler: RequestHandler, view: JobsView) -> None:
    handler.handle(wish(1, tickers=["A"]))
    handler.handle(wish(2, tickers=["A"]))
    assert [run.run_id for run in view.runs()] == ["topic-id-0-2", "topic-id-0-1"]


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b"train everything, please", "bad_json"),
        (b"[]", "bad_message"),
        (b'"AAPL"', "bad_message"),
        (b'{"tickers": []}', "bad_message"),
        (b'{"tickers": "AAPL"}', "bad_message"),
        (b'{"tickers": ["../etc"]}', "bad_message"),
        (b'{"kinds": ["oracle"]}', "bad_message"),
        (b'{"run_id": ""}', "bad_message"),
        (rb'{"run_id": "a\u0000"}', "bad_message"),
        (rb'{"reason": "\\\u0000"}', "bad_message"),
        (rb'{"feature_set": "\u0000"}', "bad_message"),
        (b'{"requested_at": "2026-01-01T00:00:00"}', "bad_message"),
        (b'{"feature_set": "nonsense"}', "unknown_feature_set"),
    ],
)
def test_nonsense_is_poison_and_files_nothing(
    handler: RequestHandler, view: JobsView, value: bytes | None, error_class: str
) -> None:
    with pytest.raises(PoisonMessageError) as raised:
        handler.handle(raw(value))
    assert raised.value.error_class == error_class
    assert view.runs() == []


@given(value=st.binary(max_size=40) | JSON.map(lambda found: json.dumps(found).encode()))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_filed_or_poison(handler: RequestHandler, value: bytes) -> None:
    try:
        handler.handle(raw(value))
    except PoisonMessageError as error:
        assert error.reason
        assert "\n" not in error.reason


def test_without_an_active_feature_set_the_wish_waits(database: PostgresSettings) -> None:
    engine = make_engine(database)
    handler = RequestHandler(TrainingJobs(engine), TrainableRows(engine), "topic-id", print)
    with pytest.raises(TransientError, match="provision"):
        handler.handle(wish(tickers=["AAPL"]))
    engine.dispose()
