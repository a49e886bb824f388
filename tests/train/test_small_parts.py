"""The pure parts of training: which model is served, what fits into memory, what a ticker's rows look like."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.clock import ManualClock
from shared.features.catalogue import CATALOGUE, NAMES
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.stopping import Stopping
from shared.storage.models import Deployment, DeploymentEvent, Model
from train.board import Board
from train.budget import Budget, estimate_mib
from train.companions import Companions
from train.policy import decide
from train.statistics import by_group, statistics_of

AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


def model(run_ordinal: int, version: int = 1) -> Model:
    return Model(
        model_id=f"AAPL-regression_gb-{version}",
        ticker="AAPL",
        kind="regression_gb",
        version=version,
        digest="a" * 64,
        run_id=f"run-{run_ordinal}",
        run_ordinal=run_ordinal,
        feature_set="f1",
        horizon_minutes=5,
        verdict="worse",
        verdict_final=False,
        metrics={},
        seconds={},
        trained_from=AT,
        trained_to=AT,
        rows=10,
        simulated=False,
        created_at=AT,
    )


def in_force(run_ordinal: int, event: DeploymentEvent = "deployed") -> Deployment:
    return Deployment(1, event, model(run_ordinal), None, "skill", "", AT)


def test_first_model_is_served_whatever_its_verdict() -> None:
    assert decide(model(1), None).deploys


@pytest.mark.parametrize(("new", "current", "deploys"), [(2, 1, True), (1, 2, False), (2, 2, True)])
def test_newest_run_is_served(new: int, current: int, deploys: bool) -> None:
    decision = decide(model(new), in_force(current))
    assert decision.deploys == deploys
    assert "AAPL-regression_gb-1" in decision.reason


def test_retired_model_does_not_stand_in_the_way() -> None:
    assert decide(model(1), in_force(2, "retired")).deploys


@given(st.lists(st.floats(1, 3000), max_size=8), st.floats(1, 5000), st.integers(1, 4), st.floats(256, 4096))
def test_budget_holds_unless_one_is_alone(running: list[float], wanted: float, workers: int, memory: float) -> None:
    admitted = Budget(workers, memory).admits(running, wanted)
    if not running:
        assert admitted, "whatever its size, a ticker is trained when nothing else is"
    elif admitted:
        assert len(running) + 1 <= workers
        assert sum(running) + wanted <= memory


@pytest.mark.parametrize(
    ("cores", "memory", "running", "expected"),
    [
        (2, 1024, [], (3, 1)),
        (6, 1024, [], (3, 2)),
        (1, 1024, [], (1, 1)),  # the other core is another ticker's
        (2, 240, [], (1, 2)),
        (2, 1024, [900.0], (1, 2)),
    ],
)
def test_share_with_cores_to_spare_trains_all_kinds_at_once_within_memory(
    cores: int, memory: float, running: list[float], expected: tuple[int, int]
) -> None:
    share = Budget(2, memory).share(running, (100_000, 75), 3, cores)
    assert (share.at_once, share.threads) == expected
    assert share.mib == estimate_mib(100_000, 75, share.at_once)


def test_estimate_grows_with_rows_and_features() -> None:
    assert estimate_mib(0, 60) < estimate_mib(100_000, 60) < estimate_mib(100_000, 80) < estimate_mib(200_000, 80)
    assert estimate_mib(100_000, 80) < estimate_mib(100_000, 80, kinds=3)


def rows_of(closes: list[float], gap_after: int) -> pl.DataFrame:
    minutes = [n if n < gap_after else n + 3 for n in range(len(closes))]
    return pl.DataFrame(
        {
            "timestamp": [AT + timedelta(minutes=n) for n in minutes],
            "close": closes,
            "session": ["regular"] * len(closes),
            NAMES[0]: pl.Series([None, *range(1, len(closes))], dtype=pl.Float32),
            "gone_feature": pl.Series([1.0] * len(closes), dtype=pl.Float32),
        }
    )


def test_statistics_agree_with_plain_numpy_and_leave_gaps_out() -> None:
    closes = [100.0, 101.0, 99.0, 102.0, 102.0, 105.0, 104.0, 103.0]
    found = statistics_of(rows_of(closes, 5), [NAMES[0], "gone_feature"])

    moves = np.delete(np.diff(closes) / np.array(closes[:-1]), 4)  # the fifth spans the gap
    expected = {
        "count": 6,
        "mean": moves.mean(),
        "std": moves.std(ddof=1),
        "min": moves.min(),
        "max": moves.max(),
        "skewness": stats.skew(moves),
        "excess_kurtosis": stats.kurtosis(moves),
    }
    assert found["returns"] == pytest.approx(expected)
    assert found["rows"] == 8
    values = np.arange(1, 8)
    assert found["features"][str(CATALOGUE[0].group)][NAMES[0]] == pytest.approx(
        {"mean": values.mean(), "std": values.std(ddof=1), "min": 1.0, "max": 7.0, "null_share": 1 / 8}
    )
    assert found["features"]["other"]["gone_feature"]["std"] == 0.0


def test_statistics_of_flat_or_few_rows_are_null_where_undefined() -> None:
    flat = statistics_of(rows_of([100.0] * 6, 6), ["gone_feature"])["returns"]
    assert (flat["std"], flat["skewness"], flat["excess_kurtosis"]) == (0.0, None, None)
    one = statistics_of(rows_of([100.0], 6), ["gone_feature"])["returns"]
    assert one == dict.fromkeys(one) | {"count": 0}


def test_board_tells_of_every_loop_and_is_paused_by_those_that_matter(tmp_path: Path) -> None:
    clock = ManualClock(AT)
    board = Board(Heartbeat(tmp_path / "beat", "train", clock), clock)
    work, extra = board.part("work"), board.part("extra", matters=False)

    def beat() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / "beat").read_text())
        return found

    extra.beat("running", "", {"n": 1})
    assert beat()["state"] == "starting"
    work.beat("running", "", {"n": 2})
    assert (beat()["state"], beat()["counters"]) == ("running", {"work_n": 2, "extra_n": 1})
    extra.beat("paused", "store is away")
    assert (beat()["state"], beat()["detail"]) == ("running", "extra: store is away")
    work.beat("paused", "no database")
    assert (beat()["state"], beat()["detail"]) == ("paused", "work: no database; extra: store is away")


def test_companion_that_fails_stops_the_others_and_is_raised() -> None:
    stopping = Stopping()

    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), Companions(stopping) as companions:
        companions.start("waits", lambda: stopping.wait(60))
        companions.start("fails", fail)
        assert stopping.wait(60)


def test_every_feature_has_its_group() -> None:
    groups = by_group([*NAMES, "unknown"])
    assert groups.pop("other") == ["unknown"]
    assert {name: group for group, names in groups.items() for name in names} == {
        feature.name: str(feature.group) for feature in CATALOGUE
    }
