"""Models and deployments on a real PostgreSQL: one transaction a model, fenced, in order, with final verdicts."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from shared.contracts.training import MODEL_KINDS, ModelEvent, ModelKind, Verdict
from shared.storage.deployments import Decision, Deployments, deploy
from shared.storage.jobs import Job, LostLeaseError, NewRun, TrainingJobs
from shared.storage.models import Deployment, Model, ModelRegistry, NewModel
from shared.storage.postgres import transaction
from shared.storage.profile_queue import ProfileFacts, ProfileQueue

AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
LEASE = timedelta(seconds=60)
OVER = timedelta(seconds=-1)
FIRST: ModelKind = MODEL_KINDS[0]


@pytest.fixture
def deployments(engine: Engine) -> Deployments:
    return Deployments(engine)


@pytest.fixture
def registry(engine: Engine) -> ModelRegistry:
    return ModelRegistry(engine)


def claimed(
    engine: Engine, run_id: str, tickers: Sequence[str] = ("AAPL",), kinds: Sequence[ModelKind] = (FIRST,)
) -> list[Job]:
    jobs = TrainingJobs(engine)
    jobs.file(NewRun(run_id, f"source-{run_id}", tickers, kinds, "f1"))
    return [job for ticker in tickers for job in jobs.claim(run_id, ticker, "me", LEASE)]


def new_model(job: Job, p: float = 0.5, digest: str = "a") -> NewModel:
    return NewModel(
        ticker=job.ticker,
        kind=job.kind,
        digest=digest * 64,
        run_id=job.run_id,
        feature_set=job.feature_set,
        horizon_minutes=5,
        metrics={"p": p},
        seconds={"fit": 0.5},
        trained_from=AT,
        trained_to=AT + timedelta(days=30),
        rows=1000,
        simulated=job.ticker.startswith("SIM."),
    )


def bonferroni(metrics: Sequence[Mapping[str, Any]], models_in_run: int) -> list[Verdict]:
    return ["skill" if one["p"] <= 0.05 / models_in_run else "no skill" for one in metrics]


def half(metrics: Sequence[Mapping[str, Any]], models_in_run: int) -> list[Verdict]:
    """Skill for those with small p once at least half of the run is known."""
    return ["skill" if one["p"] < 0.01 and 2 * len(metrics) >= models_in_run else "no skill" for one in metrics]


def newer_run(model: Model, current: Deployment | None) -> Decision:
    if current is None or model.run_ordinal > current.model.run_ordinal:
        return Decision(True, "newer")
    return Decision(False, "older")


def complete(engine: Engine, job: Job, p: float = 0.5, digest: str = "a") -> tuple[Model, Decision]:
    return Deployments(engine).complete(job, new_model(job, p, digest), {"rows": 1000}, half, newer_run)


def events(engine: Engine) -> list[ModelEvent]:
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT key, value FROM outbox WHERE topic = 'model_events' ORDER BY id")).all()
    found = [ModelEvent.decode(bytes(value)) for _, value in rows]
    assert [event.key for event in found] == [bytes(key) for key, _ in rows]
    return found


def test_first_model_is_in_force_with_its_verdict_and_its_event(engine: Engine, registry: ModelRegistry) -> None:
    (job,) = claimed(engine, "run")
    model, decision = complete(engine, job, p=0.9)

    assert decision.deploys
    assert (model.model_id, model.version, model.verdict, model.verdict_final) == (
        f"AAPL-{FIRST}-1", 1, "no skill", False,
    )  # fmt: skip
    (served,) = registry.served()
    assert (served.model, served.previous, served.event) == (model, None, "deployed")
    assert registry.model(model.model_id) == model
    assert registry.models(ticker="AAPL", run_id="run") == [model]
    (event,) = events(engine)
    assert event == served.to_event()
    assert (event.digest, event.run_id, event.simulated, event.verdict_final) == ("a" * 64, "run", False, False)
    assert TrainingJobs(engine).waiting() == []


def test_older_attempt_changes_nothing(engine: Engine, registry: ModelRegistry) -> None:
    jobs = TrainingJobs(engine)
    jobs.file(NewRun("run", "source", ("AAPL",), (FIRST,), "f1"))
    (old,) = jobs.claim("run", "AAPL", "slow", OVER)
    (new,) = jobs.claim("run", "AAPL", "fast", LEASE)

    with pytest.raises(LostLeaseError):
        complete(engine, old, digest="b")
    assert registry.models() == []
    assert events(engine) == []

    complete(engine, new)
    for late in (old, new):
        with pytest.raises(LostLeaseError):
            complete(engine, late, digest="b")
    assert [one.model.digest for one in registry.history("AAPL")] == ["a" * 64]


def test_model_of_a_newer_run_takes_over_and_one_of_an_older_run_does_not(
    engine: Engine, registry: ModelRegistry
) -> None:
    (first,), (second,), (third,) = (claimed(engine, run_id) for run_id in ("one", "two", "three"))
    complete(engine, second)
    complete(engine, first)
    complete(engine, third)

    assert [(m.run_id, m.version) for m in registry.models()] == [("two", 1), ("one", 2), ("three", 3)]
    history = registry.history("AAPL", FIRST)
    assert [one.model.run_id for one in history] == ["two", "three"]
    assert [one.previous for one in history] == [None, history[0].sequence]
    assert [one.model.run_id for one in registry.served("AAPL")] == ["three"]
    assert [event.sequence for event in events(engine)] == [one.sequence for one in history]


def test_event_tells_of_the_model_that_it_replaced_until_that_one_is_retired(
    engine: Engine, deployments: Deployments, registry: ModelRegistry
) -> None:
    for run_id, digest in (("one", "a"), ("two", "b")):
        complete(engine, *claimed(engine, run_id), digest=digest)
        deployments.settle(run_id, half)
    first, final, second, again = events(engine)
    assert (first.replaced, final.replaced) == (None, None), "nothing else was in force before"
    assert (second.before, again.before) == (final, final), "its verdict made final, it still replaced the other one"

    in_force = registry.served("AAPL")[0]
    with transaction(engine) as connection:
        deploy(connection, in_force.model, in_force, "by hand", "retired")
    complete(engine, *claimed(engine, "three"), digest="c")
    assert [event.replaced for event in events(engine)[4:]] == [None, None], "nothing was in force"


def test_deployments_of_one_key_at_the_same_time_follow_each_other(engine: Engine, registry: ModelRegistry) -> None:
    jobs = [job for n in range(6) for job in claimed(engine, f"run-{n}")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda job: complete(engine, job), jobs))

    history = registry.history("AAPL")
    assert [one.previous for one in history] == [None, *(one.sequence for one in history[:-1])]
    assert registry.served()[0].model.run_id == "run-5"
    assert [event.sequence for event in events(engine)] == [one.sequence for one in history]
    assert sorted(m.version for m in registry.models()) == [1, 2, 3, 4, 5, 6]


def test_verdicts_are_final_when_the_whole_run_is_through(
    engine: Engine, deployments: Deployments, registry: ModelRegistry
) -> None:
    jobs = claimed(engine, "run", ("AAPL", "MSFT", "TSLA", "SIM.A"))
    first, _ = complete(engine, jobs[0], p=0.001)
    complete(engine, jobs[1], p=0.5)
    assert first.verdict == "no skill", "too little of the run is known"
    assert deployments.unsettled() == []
    assert deployments.settle("run", half) is None

    third, _ = complete(engine, jobs[2], p=0.001)
    assert third.verdict == "skill"
    TrainingJobs(engine).fail(jobs[3], "no rows", retry=False)
    assert deployments.unsettled() == ["run"]
    settled = deployments.settle("run", half)

    assert settled is not None
    assert [(m.ticker, m.verdict, m.verdict_final) for m in settled] == [
        ("AAPL", "skill", True),
        ("MSFT", "no skill", True),
        ("TSLA", "skill", True),
    ]
    assert registry.models() == settled
    assert [(e.ticker, e.verdict, e.verdict_final) for e in events(engine)] == [
        ("AAPL", "no skill", False),
        ("MSFT", "no skill", False),
        ("TSLA", "skill", False),
        ("AAPL", "skill", True),
        ("MSFT", "no skill", True),
        ("TSLA", "skill", True),
    ]
    again = registry.history("AAPL")[-1]
    assert (again.model.version, again.verdict) == (1, "skill")
    assert deployments.unsettled() == []
    assert deployments.settle("run", half) is None


def test_verdict_of_a_model_that_was_replaced_is_final_without_an_event(
    engine: Engine, deployments: Deployments, registry: ModelRegistry
) -> None:
    slow = claimed(engine, "slow", ("AAPL", "MSFT", "TSLA"))
    complete(engine, slow[0], p=0.001)
    (newer,) = claimed(engine, "newer")
    complete(engine, newer)
    for job in slow[1:]:
        complete(engine, job)
    sent = len(events(engine))

    assert deployments.settle("slow", half) is not None
    assert [m.verdict for m in registry.models("AAPL", "slow")] == ["skill"]
    assert [event.ticker for event in events(engine)[sent:]] == ["MSFT", "TSLA"]
    assert registry.served("AAPL")[0].model.run_id == "newer"


def test_run_is_settled_once_by_many(engine: Engine, deployments: Deployments) -> None:
    for job in claimed(engine, "run", ("AAPL", "MSFT")):
        complete(engine, job, p=0.001)
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda _: deployments.settle("run", half), range(4)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert [(e.verdict, e.verdict_final) for e in events(engine)] == [("skill", False)] * 2 + [("skill", True)] * 2


def test_run_without_jobs_is_settled(engine: Engine, deployments: Deployments) -> None:
    claimed(engine, "empty", ())
    assert deployments.settle("empty", bonferroni) == []
    assert deployments.unsettled() == []


def test_profiles_are_due_until_written_and_again_after_a_change(engine: Engine) -> None:
    queue = ProfileQueue(engine)
    seen: list[ProfileFacts] = []
    for job in claimed(engine, "run", kinds=MODEL_KINDS):
        complete(engine, job)
    assert queue.due() == ["AAPL"]

    assert queue.write("AAPL", seen.append)
    assert not queue.write("AAPL", seen.append)
    assert queue.due() == []
    (facts,) = seen
    assert {one.model.kind for one in facts.served} == set(MODEL_KINDS)
    assert (facts.run_id, facts.statistics, facts.filing, facts.name) == ("run", {"rows": 1000}, None, "")

    assert Deployments(engine).settle("run", half) is not None
    assert queue.due() == ["AAPL"], "its verdicts are final by now"
    assert queue.write("AAPL", seen.append)
    assert all(one.model.verdict_final for one in seen[-1].served)

    (job,) = claimed(engine, "later")
    complete(engine, job)
    assert queue.due() == ["AAPL"]


def test_profile_that_could_not_be_written_stays_due(engine: Engine) -> None:
    def fail(facts: ProfileFacts) -> None:
        raise OSError("away")

    queue = ProfileQueue(engine)
    complete(engine, *claimed(engine, "run"))
    with pytest.raises(OSError, match="away"):
        queue.write("AAPL", fail)
    assert queue.due() == ["AAPL"]


def test_profile_knows_the_newest_filing_and_the_registry_s_name(engine: Engine) -> None:
    complete(engine, *claimed(engine, "run"))
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO tickers (ticker, name) VALUES ('AAPL', 'Apple Inc.')"))
        for number, (end, filed, eps) in enumerate(
            [("2025-09-30", "2025-11-01", 1), ("2025-12-31", "2026-02-01", 2), ("2025-09-30", "2026-03-01", 3)]
        ):
            connection.execute(
                text(
                    'INSERT INTO filings (version, ingested_at, symbol, period, period_end, "calendarYear", filed_at, '
                    "filed_basis, source, simulated, statement) VALUES (:v, now(), 'AAPL', 'Q', :e, 2025, :f, "
                    "'accepted', 'test', false, jsonb_build_object('eps', CAST(:s AS int)))"
                ),
                {"v": bytes([number]), "e": end, "f": filed, "s": eps},
            )
    seen: list[ProfileFacts] = []
    ProfileQueue(engine).write("AAPL", seen.append)
    assert seen[0].name == "Apple Inc."
    assert seen[0].filing is not None
    assert seen[0].filing["statement"] == {"eps": 2}
