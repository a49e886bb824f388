"""The ways people use the stack, each as its documentation says, and what it survives. The tests go in order."""

import json
import os
import subprocess
from collections.abc import Callable

import httpx
import pytest

from shared.testing.eventually import eventually
from tests.compose.stack import ROOT, Stack, is_well

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

KAFKA = "/opt/kafka/bin"


def test_up_reaches_served_predictions_with_nothing_done_by_hand(stack: Stack) -> None:
    for ticker in ("SIM.ALFA", "SIM.BRAVO"):
        answer = eventually(lambda t=ticker: stack.get(f"/v1/predictions/{t}"), seconds=600, every=2.0)
        assert (answer["ticker"], answer["simulated"]) == (ticker, True)
        assert answer["models"]


def test_predictions_go_on_as_the_exchange_does(stack: Stack) -> None:
    before = stack.get("/v1/predictions/SIM.ALFA")["timestamp"]
    eventually(lambda: stack.get("/v1/predictions/SIM.ALFA")["timestamp"] > before, seconds=60)


def test_status_in_the_command_container_shows_every_service(stack: Stack) -> None:
    shown = stack.cli("status").stdout
    assert f"page: http://127.0.0.1:{stack.setting('PREDICTOR_PORT')}/" in shown
    for name in ("consumers", "consumers-predictions", "aggregator", "train", "predictor"):
        assert name in shown


def by_console(stack: Stack) -> None:
    tool = (f"{KAFKA}/kafka-console-producer.sh", "--bootstrap-server", "kafka:9092", "--topic", "start_model")
    access = ("--producer.config", "/mnt/shared/config/cli.properties")
    stack.compose("exec", "-T", "kafka", *tool, *access, given='{"tickers": ["SIM.ALFA"], "reason": "by hand"}\n')


def by_http(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.setting('PREDICTOR_PORT')}/v1/training"
    answer = httpx.post(url, json={"tickers": ["SIM.ALFA"], "reason": "by HTTP"}, timeout=30)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("ask", [by_console, by_http])
def test_wish_starts_a_training(stack: Stack, ask: Callable[[Stack], None]) -> None:
    before = int(stack.sql("select count(*) from training_runs"))
    ask(stack)
    eventually(lambda: int(stack.sql("select count(*) from training_runs")) > before, seconds=60, every=1.0)
    unfinished = "select count(*) from training_jobs where state in ('queued', 'running')"
    eventually(lambda: stack.sql(unfinished) == "0", seconds=300, every=2.0)
    assert stack.sql("select count(*) from training_jobs where state = 'failed'") == "0"


def test_grafana_has_the_dashboards(stack: Stack) -> None:
    if not has_image(stack, "grafana"):
        pytest.skip("the image of Grafana is not to be had here")
    stack.compose("up", "-d", "--wait", "grafana")
    assert stack.get("/api/health", "GRAFANA_PORT")["database"] == "ok"


def has_image(stack: Stack, service: str) -> bool:
    """Return whether a service's image is on this machine, or can be pulled."""
    image = json.loads(stack.compose("--profile", "*", "config", "--format", "json").stdout)["services"][service][
        "image"
    ]
    present = subprocess.run(["docker", "image", "inspect", image], check=False, capture_output=True).returncode == 0
    return present or subprocess.run(["docker", "pull", "-q", image], check=False, capture_output=True).returncode == 0


def test_scale_shares_partitions_and_jobs(stack: Stack) -> None:
    stack.compose("up", "-d", "--no-recreate", "--scale", "consumers=3", "--scale", "train=2")
    found = stack.containers()
    assert (len(found["consumers"]), len(found["train"])) == (3, 2)
    stack.await_healthy()
    tool = (f"{KAFKA}/kafka-consumer-groups.sh", "--bootstrap-server", "kafka:9094")
    access = ("--command-config", "/mnt/shared/config/admin.properties")

    def members() -> int:
        told = stack.compose("exec", "-T", "kafka", *tool, *access, "--describe", "--members", "--group", "lake-stock")
        return sum(line.startswith("lake-stock") for line in told.stdout.splitlines())

    eventually(lambda: members() == 3, seconds=60, every=2.0)


def test_every_container_may_be_killed_during_a_run(stack: Stack) -> None:
    """SIGKILL to all that runs in it, once each: it comes back by its restart policy; nothing is lost or doubled."""
    run = ("run", "-d", "-T", "-e", "SIMULATED_TICKERS=4", "-e", "SIMULATED_SESSIONS=20", "producers")
    feed = stack.compose(*run, "stock", "--source", "simulated").stdout.split()[-1]
    for service, containers in stack.containers().items():
        for one in containers:
            if one["HostConfig"]["RestartPolicy"]["Name"] != "no":
                name, started = one["Id"], one["State"]["StartedAt"]
                subprocess.run(["docker", "exec", name, "sh", "-c", "kill -9 -1"], check=False, capture_output=True)
                eventually(lambda n=name, s=started: started_at(n) > s, seconds=60, every=0.2, failing=service)
    ended = subprocess.run(["docker", "wait", feed], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["docker", "rm", feed], check=True, capture_output=True)
    stack.await_healthy(300)
    if ended != "0":  # it was not restarted, as nobody promises that: started again, it goes on where it stood
        stack.compose("run", "--rm", *run[2:], "stock", "--source", "simulated")
    for ticker in ("SIM.CHARLIE", "SIM.DELTA"):
        assert eventually(lambda t=ticker: stack.get(f"/v1/predictions/{t}"), seconds=600, every=2.0)["models"]
    stack.compose("stop", "producers-simulated")
    stack.await_settled()


def started_at(container: str) -> str:
    form = ["docker", "inspect", "-f", "{{.State.StartedAt}}", container]
    return subprocess.run(form, capture_output=True, text=True, check=True).stdout.strip()


def test_provision_again_changes_nothing(stack: Stack) -> None:
    again = stack.compose("run", "--rm", "-T", "provision").stdout
    assert again
    for line in again.splitlines():
        assert not any(word in line for word in (": made", "->", "granted", "added")), line


def test_down_and_up_keep_everything(stack: Stack) -> None:
    stack.compose("stop", "producers-simulated")
    stack.await_settled()
    before = contents(stack)
    stack.compose("--profile", "*", "down", "--timeout", "60")
    assert stack.containers() == {}
    stack.compose("up", "-d", "--scale", "producers-simulated=0")
    stack.await_healthy()
    assert contents(stack) == before
    for ticker in ("SIM.ALFA", "SIM.DELTA"):
        assert eventually(lambda t=ticker: stack.get(f"/v1/predictions/{t}"), seconds=60)["models"]


def test_backup_of_all_state_can_be_restored(stack: Stack) -> None:
    before = contents(stack)
    file = stack.folder / "backup.tar.gz"
    script, options = ["sh", str(ROOT / "infra/docker/backup.sh")], stack.options[2:6]
    told(*script, "save", str(file), *options)
    stack.compose("--profile", "*", "down", "-v", "--timeout", "60")
    told(*script, "restore", str(file), *options)
    stack.compose("up", "-d", "--scale", "producers-simulated=0")
    stack.await_healthy()
    assert contents(stack) == before
    stack.await_settled()


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(stack: Stack) -> dict[str, str]:
    """What each server holds, in a few words."""
    tool = (f"{KAFKA}/kafka-get-offsets.sh", "--bootstrap-server", "kafka:9094")
    access = ("--command-config", "/mnt/shared/config/admin.properties", "--exclude-internal-topics")
    tables = ("aggregated_data", "aggregation_batches", "models", "deployments", "training_runs", "source_offsets")
    count = "d = db.getSiblingDB('tickerstream'); d.getCollectionNames().sort().map(n => [n, d[n].countDocuments()])"
    login = 'mongosh --quiet -u admin -p "$(cat /run/secrets/mongo_admin)" --host 127.0.0.1 --eval "$0"'
    offsets = stack.compose("exec", "-T", "kafka", *tool, *access).stdout.split()
    again = ("predictions:", "features:")  # sent again, under the same ids, when their service starts
    return {
        "topics": " ".join(sorted(line for line in offsets if not line.startswith(again))),
        "lake": json.dumps(json.loads(stack.cli("lake", "ls", "--json").stdout), sort_keys=True),
        "tables": stack.sql(" union all ".join(f"select '{t}', count(*) from {t}" for t in tables)),
        "documents": stack.compose("exec", "-T", "mongo", "sh", "-c", login, count).stdout,
        "models": stack.compose("exec", "-T", "predictor", "sh", "-c", "ls /var/lib/tickerstream/models | sort").stdout,
    }


def test_real_bars_go_the_whole_way(stack: Stack) -> None:
    named = os.environ.get("TICKERSTREAM_REAL_DATA")
    if not named:
        pytest.skip("TICKERSTREAM_REAL_DATA names no folder of bars")
    zone = os.environ.get("TICKERSTREAM_REAL_TIMEZONE", "America/New_York")
    mount = f"{named}:/data:ro"
    backfill = stack.cli("backfill", "--bars", "/data", "--timezone", zone, mounts=(mount,), check=False)
    assert backfill.returncode in (0, 1), backfill.stderr  # 1: a whole file could not be read, and it said which
    checked = stack.cli("verify", "lake", "--bars", "/data", "--timezone", zone, mounts=(mount,), check=False)
    assert checked.returncode == 0, checked.stdout[-3000:]
    stack.await_settled(900)
    real = [one["ticker"] for one in stack.get("/v1/tickers")["tickers"] if not one["simulated"]]
    assert real
    for ticker in real:
        answer = eventually(lambda t=ticker: stack.get(f"/v1/predictions/{t}"), seconds=900, every=3.0)
        assert answer["models"]
        assert answer["simulated"] is False


def test_stack_at_the_end_is_well(stack: Stack) -> None:
    assert all(is_well(one) for containers in stack.containers().values() for one in containers)
