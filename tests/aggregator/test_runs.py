"""Runs: bars wait for the slow facts that their run declares, and start_model is sent once when all is stored."""

from datetime import timedelta
from uuid import uuid4

import polars as pl
import pytest

from shared.contracts.bars import encode_bars
from shared.features.catalogue import CATALOGUE, FEATURE_SET
from shared.features.feature import Group
from shared.testing.eventually import eventually
from tests.aggregator.parts import Ground, bars, by_week, observed, tickers_on

pytestmark = pytest.mark.kafka
OF_FACTS = [feature.name for feature in CATALOGUE if feature.group is Group.MACRO]
FACTS = ("corporate_actions", "h_macrodata", "h_company")
VINTAGE = (
    b'{"series": "FEDFUNDS", "date": "2024-12-01", "value": 4.48, "released_at": "2025-01-02T13:00:00Z",'
    b' "released_basis": "observed", "source": "fred"}'
)


def run_id() -> str:
    return f"files-{uuid4().hex[:12]}"


def test_complete_run_starts_training_once_however_often_it_is_told(stand: Ground) -> None:
    run = run_id()
    stand.declare(run, "h_alpaca", "h_macrodata").history(bars(days=6), run).history(bars("MSFT", minutes=30), run)
    stand.send("h_macrodata", "FEDFUNDS", VINTAGE)
    with stand.confirm(run, "h_macrodata", "h_alpaca").running():
        eventually(lambda: stand.started(run), seconds=30)
        stand.declare(run, "h_alpaca", "h_macrodata", attempt=2).confirm(run, "h_alpaca", "h_macrodata")
        stand.history(bars(minutes=5), run).await_caught_up()
    with stand.running():
        stand.await_caught_up()
        stand.history(bars("MSFT", minutes=30)[20:]).await_caught_up()
    (message,) = stand.started(run)
    assert message.tickers == ("AAPL", "MSFT")
    assert message.reason == "run complete"
    assert message.feature_set == FEATURE_SET
    assert stand.scalar("SELECT state FROM runs WHERE run_id = :run", run=run) == "done"


def test_bars_of_a_run_wait_for_its_facts_and_others_do_not(stand: Ground) -> None:
    run = run_id()
    frame = bars(minutes=60)
    (other,) = tickers_on(1, 2, ["MSFT"]) or ("IBM",)
    stand.declare(run, "h_alpaca", *FACTS).history(frame, run).history(bars(other, minutes=20))
    with stand.confirm(run, "h_alpaca", "corporate_actions", "h_company").running():
        stand.live(observed(bars("SIM.LIVE", minutes=3), 1).with_columns(source=pl.lit("simulated")))
        stand.await_rows(3, "SIM.LIVE")
        stand.await_caught_up("runs", "stock_bars")
        assert stand.applied("h_macrodata", "SIM.LIVE") == {"0": 0, "1": 0}  # read, but nothing came
        assert stand.count() == 0
        assert stand.scalar("SELECT state FROM runs WHERE run_id = :run", run=run) == "declared"
        stand.send("h_macrodata", "FEDFUNDS", VINTAGE)
        stand.await_caught_up("h_macrodata")
        assert stand.count() == 0  # applied, but not confirmed
        stand.confirm(run, "h_macrodata")
        rows = stand.await_rows(60)
        stand.await_rows(20, other)
        eventually(lambda: stand.started(run))
    assert stand.applied("h_macrodata") == {"0": 1, "1": 0}
    assert any(rows[name].null_count() == 0 for name in OF_FACTS)
    assert rows["revision"].unique().to_list() == [1]
    assert stand.scalar("SELECT count(*) FROM remake_requests") == 0


def test_run_with_a_week_without_any_row_starts_training_once(stand: Ground) -> None:
    run, weeks = run_id(), by_week(bars(minutes=20, days=15))
    stand.declare(run, "h_alpaca").history(weeks[0], run)
    stand.send("h_alpaca", "AAPL", encode_bars(weeks[1].clear()), {"run": run.encode()})
    stand.history(weeks[2], run)
    stand.send("h_alpaca", "MSFT", encode_bars(weeks[1].clear()), {"run": run.encode()})  # it has no row at all
    with stand.confirm(run, "h_alpaca").running():
        eventually(lambda: stand.started(run), seconds=30)
        stand.confirm(run, "h_alpaca").await_caught_up()
    with stand.running():
        stand.history(weeks[2][-5:], run).await_caught_up()
    (message,) = stand.started(run)
    assert message.tickers == ("AAPL",)
    assert stand.rows()["timestamp"].to_list() == [*weeks[0]["timestamp"], *weeks[2]["timestamp"]]
    assert stand.scalar("SELECT count(*) FROM remake_requests") == 0


@pytest.mark.parametrize("released_by", ["abort", "a newer run"])
def test_run_given_up_lets_its_bars_go_and_starts_nothing(stand: Ground, released_by: str) -> None:
    run, newer = run_id(), run_id()
    stand.declare(run, "h_alpaca", "h_macrodata", run_set="S").history(bars(minutes=30), run)
    with stand.running():
        stand.await_caught_up("runs")
        if released_by == "abort":
            stand.abort(run)
        else:
            stand.declare(newer, "h_alpaca", run_set="S")
        stand.await_rows(30)
        stand.confirm(run, "h_alpaca", "h_macrodata").await_caught_up()
        if released_by != "abort":
            stand.confirm(newer, "h_alpaca")
            eventually(lambda: stand.scalar("SELECT state FROM runs WHERE run_id = :run", run=newer) == "done")
    assert stand.started(run) == []
    assert stand.started(newer) == []  # it brought no bar


def test_run_of_which_a_ticker_has_no_bar_names_the_others(stand: Ground) -> None:
    run, empty = run_id(), run_id()
    stand.declare(run, "h_alpaca").history(bars("IBM", minutes=5), run).confirm(run, "h_alpaca")
    stand.declare(empty, "h_alpaca", run_set="other").confirm(empty, "h_alpaca")
    with stand.running():
        eventually(lambda: stand.started(run))
        eventually(lambda: stand.scalar("SELECT state FROM runs WHERE run_id = :run", run=empty) == "done")
    (message,) = stand.started(run)
    assert message.tickers == ("IBM",)
    assert stand.started(empty) == []


def test_bars_of_a_run_that_nobody_declared_do_not_wait(stand: Ground) -> None:
    with stand.history(bars(minutes=20), run_id()).running():
        stand.await_rows(20)


def test_two_members_that_finish_a_run_at_once_start_training_once(stand: Ground) -> None:
    for round_number in range(3):
        run = run_id()
        stand.declare(run, "h_alpaca", run_set=run)
        first = timedelta(weeks=round_number)
        names = [*tickers_on(0, 2, "ABCDEFGH")[:2], *tickers_on(1, 2, "ABCDEFGH")[:2]]
        assert len(names) == 4
        for name in names:
            frame = bars(name, minutes=40)
            shifted = [pl.col(column) + first for column in ("timestamp", "known_at")]
            stand.history(frame.with_columns(*shifted), run)
        stand.confirm(run, "h_alpaca")
        with stand.running(members=2):
            eventually(lambda run=run: stand.started(run), seconds=40)  # type: ignore[misc]
            stand.await_caught_up()
        (message,) = stand.started(run)
        assert message.tickers == tuple(sorted(names))
        assert all(stand.count(name) == 40 * (round_number + 1) for name in names)
