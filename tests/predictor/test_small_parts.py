"""The books and the broadcast by themselves."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from predictor.answers import AnswerBook, Shown, Silence
from predictor.broadcast import QUEUE, Broadcast
from predictor.desk import Truth
from predictor.runs import RunBook
from predictor.server import listen, url_of
from shared.contracts.predictions import Baseline, Prediction
from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed
from shared.errors import ConfigurationError
from tests.predictor.making import NOW, feature_row


def shown(minute: int, made_after: int = 0, replayed: bool = False) -> Shown:
    row = feature_row("AAPL", minute)
    prediction = Prediction(
        id=f"{minute:032x}", ticker="AAPL", timestamp=row.timestamp, as_of=row.as_of, horizon_minutes=5,
        close=row.close, expected_return=0.0, price_level=row.close, direction=None, leads="baseline",
        baseline=Baseline(), models=(), feature_set=row.feature_set, row_hash=row.row_hash, revision=1,
        simulated=False, replayed=replayed, made_at=row.made_at + timedelta(seconds=made_after),
    )  # fmt: skip
    return Shown.of(prediction, row.made_at + timedelta(days=9))


def test_age_counts_from_what_the_row_knew_and_is_stale_after_the_horizon() -> None:
    one, again = shown(0), shown(0, replayed=True)
    born = (NOW + timedelta(minutes=1)).timestamp()
    fresh, old = json.loads(one.body(born + 300)), json.loads(one.body(born + 300.1))
    assert (fresh["age_seconds"], fresh["stale"]) == (300.0, False)
    assert old["stale"] is True
    assert json.loads(one.body(born - 5))["age_seconds"] == 0.0
    assert json.loads(again.body(born + 9 * 86400))["stale"] is False, (
        "a replayed row's own times are not of this clock"
    )
    assert json.loads(one.record) == {k: v for k, v in fresh.items() if k not in ("age_seconds", "stale")}


def test_book_keeps_so_many_and_finds_the_answer_as_of_an_instant() -> None:
    book = AnswerBook(keep=3)
    for minute in range(5):
        book.take_row(feature_row("AAPL", minute))
        book.show(shown(minute))
    book.show(shown(4, made_after=60))
    at = [book.at("AAPL", NOW + timedelta(minutes=minute)) for minute in range(2, 7)]
    assert [one and one.as_of.minute for one in at] == [None, None, 4, 5, 5]
    assert at[-1] == shown(4, made_after=60), "of two for one row the later one"
    assert [point.timestamp.minute for point in book.closes("AAPL")] == [2, 3, 4]
    book.fall_silent("AAPL", Silence("why", ("models",)))
    assert "AAPL" not in book.newest
    book.show(shown(4))
    assert "AAPL" not in book.silent


def test_news_is_a_later_bar_or_a_later_revision_of_the_same() -> None:
    book = AnswerBook(keep=3)
    book.take_row(feature_row("AAPL", 5))
    assert not book.is_news(feature_row("AAPL", 5))
    assert not book.is_news(feature_row("AAPL", 4, revision=9))
    assert book.is_news(feature_row("AAPL", 5, revision=2))
    assert book.is_news(feature_row("AAPL", 6))
    assert book.is_news(feature_row("MSFT", 0))


def declared(run_id: str, run_set: str = "set", attempt: int = 1) -> RunDeclared:
    return RunDeclared(
        run_id=run_id, run_set=run_set, topics=("a", "b"), source="files", simulated=False, attempt=attempt, at=NOW
    )


def test_runs_are_sent_when_every_topic_is_confirmed_and_replaced_by_newer_ones_of_their_set() -> None:
    book = RunBook()
    confirm = {t: TopicConfirmed(run_id="one", topic=t, attempt=1, partitions=(), at=NOW) for t in "ab"}
    events = [declared("one"), confirm["a"], declared("two"), declared("three"), declared("else", "other")]
    for event in [*events, RunAborted(run_id="else", reason="enough", at=NOW), confirm["b"]]:
        book.take(event)
    book.take(TopicConfirmed(run_id="unknown", topic="a", attempt=1, partitions=(), at=NOW))
    states = {run.run_id: run.state for run in book.newest(9)}
    assert states == {"one": "sent", "two": "replaced", "three": "sending", "else": "given up"}
    book.take(declared("two", attempt=2))
    assert [run.run_id for run in book.newest(2)] == ["two", "else"]
    assert {run.run_id: run.state for run in book.newest(9)}["two"] == "sending"
    assert book.view("nobody") is None


def test_listener_hears_its_tickers_and_one_that_is_too_slow_is_disconnected() -> None:
    async def play() -> None:
        broadcast = Broadcast()
        broadcast.open()
        some, slow = broadcast.listen(frozenset({"A"})), broadcast.listen(frozenset())
        assert (await anext(some)).startswith(b"retry")
        assert (await anext(slow)).startswith(b"retry")
        broadcast.tell("prediction", b"1", "B")
        broadcast.tell("prediction", b"2", "A")
        broadcast.tell("run", b"3")
        assert await anext(some) == b"event: prediction\ndata: 2\n\n"
        assert await anext(some) == b"event: run\ndata: 3\n\n"
        for _ in range(QUEUE):
            broadcast.tell("prediction", b"4", "B")
        await asyncio.sleep(0)
        assert [message async for message in slow] == []
        assert broadcast.listeners == 1
        broadcast.close()
        assert [message async for message in some] == []
        broadcast.tell("run", b"5")

    asyncio.run(play())


def test_truth_is_read_again_when_it_changes_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    truth = Truth(path)
    truth.refresh()
    assert truth.of("SIM.A") is None
    entry = {
        "ticker": "SIM.A", "information_coefficient": 0.05, "mechanism": "momentum", "window_minutes": 15,
        "horizon_minutes": 5, "drift_weight": 0.1, "signal": "s", "sector": "x",
    }  # fmt: skip
    path.write_text(json.dumps({"tickers": [entry]}))
    truth.refresh()
    found = truth.of("SIM.A")
    assert found is not None
    assert found.information_coefficient == 0.05
    path.write_text("nonsense")
    truth.refresh()
    assert truth.of("SIM.A") == found


def test_address_is_known_before_anybody_asks_and_a_bad_one_is_refused() -> None:
    with listen("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        assert url_of(opened) == f"http://127.0.0.1:{port}/"
    with pytest.raises(ConfigurationError, match="PREDICTOR_HOST"):
        listen("256.256.256.256", 0)
