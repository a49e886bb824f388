"""`tickerstream status` of services that run elsewhere: asked over HTTP, shown as those of an embedded stack."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from cli import stack as commands
from cli.app import new_app
from cli.service_status import Service, ask_services, parse_services
from infra.embedded.ports import free_port
from shared.clock import ManualClock, SystemClock
from shared.errors import ConfigurationError
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.metrics import serving
from shared.settings import PostgresSettings

PAGE = "http://predictor:8080/"


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def service(servers: ExitStack, name: str, state: str = "running", age: float = 0) -> Service:
    """A service that serves its heartbeat."""
    clock = ManualClock(datetime.now(UTC)) if age else SystemClock()
    heartbeat = Heartbeat(None, name, clock)
    heartbeat.beat(state, f"{name} is {state}", {"rows": 7})  # type: ignore[arg-type]
    if isinstance(clock, ManualClock):
        clock.advance(age)
    return Service(name, "localhost", servers.enter_context(serving("127.0.0.1", 0, heartbeat)))


def test_services_are_parsed() -> None:
    text = " consumers=http://consumers:9100, train=http://train:9101,\n"
    assert parse_services(text) == [Service("consumers", "consumers", 9100), Service("train", "train", 9101)]


@pytest.mark.parametrize("text", ["consumers", "=http://a:1", "a=http://b", "a=https://b:1", "a=http://b:x", "a=b:1"])
def test_what_is_no_service_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TICKERSTREAM_SERVICES: '.*' is not name=http://host:port"):
        parse_services(text)


def test_all_that_answer_well_are_a_healthy_stack(servers: ExitStack) -> None:
    now = ask_services([service(servers, "train", "paused"), service(servers, "predictor")], PAGE)
    assert (now.up, now.healthy, now.message, now.page) == (True, True, "running", PAGE)
    train, _ = now.processes
    assert (train.name, train.kind, train.state, train.detail) == ("train", "service", "paused", "train is paused")
    assert (train.counters, train.restarts) == ({"rows": 7}, None)
    assert train.peak_rss_mib >= train.rss_mib > 1  # type: ignore[operator]
    assert train.heartbeat_age_seconds is not None


def test_what_hangs_starts_or_does_not_answer_is_shown_so(servers: ExitStack) -> None:
    services = [
        service(servers, "train", age=61),
        service(servers, "aggregator", "starting"),
        Service("consumers", "localhost", free_port()),
        Service("predictor", "no-such-name.invalid", 9100),
    ]
    now = ask_services(services, PAGE)
    states = {one.name: one.state for one in now.processes}
    assert states == {
        "train": "silent", "aggregator": "starting", "consumers": "unreachable", "predictor": "unreachable",
    }  # fmt: skip
    assert (now.up, now.healthy, now.page) == (True, False, None)
    assert now.message == "not well: train, aggregator, consumers, predictor"
    assert now.processes[3].detail == "nothing runs under the name no-such-name.invalid"


def test_an_answer_of_something_else_is_said_so(stranger: int) -> None:
    (one,) = ask_services([Service("train", "localhost", stranger)], PAGE).processes
    assert one.state == "unreachable"
    assert "answers something else" in str(one.detail)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A server that knows no heartbeat."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_command_shows_the_same_table_and_training(servers: ExitStack, database: PostgresSettings) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        app = new_app()
        commands.register(app)
        given = ",".join(f"{one.name}=http://{one.host}:{one.port}" for one in services)
        environment = {
            "TICKERSTREAM_SERVICES": given,
            "POSTGRES_PORT": str(database.postgres_port),
            "POSTGRES_DB": database.postgres_db,
            "POSTGRES_USER": database.postgres_user,
            "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
        }
        result = CliRunner().invoke(app, list(arguments), env=environment)
        return result.exit_code, result.output

    services = [service(servers, "train"), service(servers, "predictor")]
    code, text = run("status")
    title, heading, train, predictor, page = text.splitlines()
    assert (code, title, page) == (0, "services: running", "page: http://127.0.0.1:8080/")
    assert heading.split("\t")[:4] == ["process", "state", "pid", "port"]
    assert train.split("\t")[:2] == ["train", "running"]
    assert predictor.split("\t")[:2] == ["predictor", "running"]
    code, text = run("status", "--json")
    document = json.loads(text)
    assert {"home", "up", "healthy", "message", "processes", "page", "training"} == set(document)
    assert [one["state"] for one in document["processes"]] == ["running", "running"]
    services.append(Service("aggregator", "localhost", free_port()))
    assert run("status")[0] == 1
