"""`tickerstream up, down, restart, status, logs`: the embedded stack from the command line."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.app import FAILED, HomeOption, JsonOption
from cli.output import Output, duration
from cli.run_progress import Downstream, newest_training
from cli.service_status import ask_services, parse_services
from cli.settings import PREDICTOR, CommandSettings, embedded
from cli.stack_view import ConsoleProgress, StartReport, show_page, show_status
from infra.embedded import stack
from infra.embedded.layout import Home
from infra.embedded.logs import follow, tail
from infra.embedded.services import SERVICES, TRAIN, select_services
from infra.embedded.settings import resolve_home
from infra.embedded.status import StackStatus, status
from shared.errors import ConfigurationError
from shared.settings import PostgresSettings


class Part(StrEnum):
    """What `up --only` may be limited to."""

    SERVERS = "servers"


ServiceOption = Annotated[
    list[str] | None,
    typer.Option("--service", help="Start only this service; repeat it for more.", metavar="NAME"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of the embedded stack to `app`."""
    for command in (up, down, restart, logs):
        app.command()(command)
    app.command("status")(show)


def up(
    home: HomeOption = None,
    only: Annotated[Part | None, typer.Option(help="Start the servers, but no service.")] = None,
    service: ServiceOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the start may take, downloads aside.", min=1)] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Start Kafka, PostgreSQL, the document store and every service, each as its own process, and wait until they run.

    In a stack that is up already, only what is lacking is started; what runs keeps its settings (see `restart`).
    """
    output, where = Output.of(as_json), resolve_home(home)
    if only and service:
        raise ConfigurationError("Give either --only servers or --service, not both.")
    entries = () if only else select_services(service) if service else SERVICES
    wanted = stack.Wanted(entries, timeout=timeout)
    with StartReport(output) as report:
        started = stack.start(where, wanted, ConsoleProgress(output), report.watch)
    if started.cleaned:
        output.line(f"stopped what a lost supervisor had left: {', '.join(started.cleaned)}", style="yellow")
    for moved in started.moved:
        output.line(f"port {moved.old} of {moved.name} is taken by another program; it is {moved.new} now", "yellow")
    now = status(where)
    if started.already_up:
        more = f"; started {', '.join(started.added)}" if started.added else ""
        output.line(f"already up in {where.root}{more}", style="green")
    elif now.healthy:
        output.line(f"up in {duration(started.seconds)}: {where.root}", style="green")
    for process in now.processes:
        if process.state in {"failed", "restarting", "lost"}:
            output.line(f"{process.name} {process.state} (exit {process.last_exit}): {process.detail}", style="red")
    if not now.healthy:
        output.line(f"{now.message}: `{where.command('status')}` tells how it goes on", style="yellow")
    show_page(output, now)
    output.document({"already_up": started.already_up, "seconds": round(started.seconds, 3), **asdict(now)})
    if not now.healthy:
        raise typer.Exit(FAILED)


def down(
    home: HomeOption = None,
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove the data: topics, tables, lake.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --wipe.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop the services, then the servers. What is stored stays, unless --wipe is given."""
    output, where = Output.of(as_json), resolve_home(home)
    if wipe and not yes:
        typer.confirm(f"Remove all topics, tables and lake objects in {where.root}?", abort=True, err=as_json)
    stopped = stack.stop(where)
    if stopped.killed:
        output.line(f"did not end when told to, and was killed: {', '.join(stopped.killed)}", style="yellow")
    output.line(f"stopped in {duration(stopped.seconds)}" if stopped.was_up else f"nothing is up in {where.root}")
    if wipe:
        stack.wipe(where)
        output.line(f"removed the data in {where.root}; logs and downloads stay")
    output.document({**asdict(stopped), "wiped": wipe})


def restart(
    name: Annotated[str, typer.Argument(help="A server or a service, as `tickerstream status` names it.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop one server or service in good order and start it again.

    A service has its settings from the environment of this command then; those that are not set there stay as they are.
    """
    output, where = Output.of(as_json), resolve_home(home)
    unit = stack.restart(where, name)
    output.line(f"{name} runs again" if unit.process else f"{name} ended with {unit.last_exit}")
    output.document(asdict(unit))


def show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every process: state, memory now and at most, uptime, restarts; and how far training is.

    Without --home, TICKERSTREAM_SERVICES names services that run elsewhere.
    Exit code 1 if a process that should run does not.
    """
    output = Output.of(as_json)
    now, postgres = _running(home)
    training = newest_training(postgres) if postgres is not None else Downstream()
    if as_json:
        output.document({**asdict(now), "training": training.document()["training"]})
    else:
        show_status(output, now)
        training.show(output)
    if not now.healthy:
        raise typer.Exit(FAILED)


def _running(home: Path | None) -> tuple[StackStatus, PostgresSettings | None]:
    """Return how the processes are, and the PostgreSQL that knows of their training, if there is any."""
    given = CommandSettings.load()
    if home is None and given.tickerstream_services:
        services = parse_services(given.tickerstream_services)
        return ask_services(services, given.predictor_page or given.predictor_url or PREDICTOR), PostgresSettings.load()
    where = resolve_home(home)
    now = status(where)
    trains = any(process.name == TRAIN.name for process in now.processes)
    return now, embedded(where).postgres if now.up and trains else None


def logs(
    name: Annotated[str | None, typer.Argument(help="One process; without it, all of them.")] = None,
    home: HomeOption = None,
    going_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("-n", "--lines", help="Lines of each log.", min=0)] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the end of the logs. Each process has a file of its own in the home's `logs`."""
    output, where = Output.of(as_json), resolve_home(home)
    chosen = _choose_logs(where, name)
    for one, log in chosen.items():
        for line in tail(log, count):
            _log_line(output, one, line, alone=len(chosen) == 1)
    if not going_on:
        return
    try:
        for one, line in follow(chosen, lambda: True):
            _log_line(output, one, line, alone=len(chosen) == 1)
    except KeyboardInterrupt:
        return


def _choose_logs(home: Home, name: str | None) -> dict[str, Path]:
    there = {log.stem: log for log in sorted(home.logs.glob("*.log"))}
    if not there:
        raise ConfigurationError(f"There are no logs in {home.root}; start a stack with `{home.command('up')}`.")
    if name is None:
        return there
    if name not in there:
        raise ConfigurationError(f"There is no log of {name}; there are: {', '.join(there)}.")
    return {name: there[name]}


def _log_line(output: Output, name: str, line: str, alone: bool) -> None:
    if output.json:
        output.document({"process": name, "line": line})
    else:
        output.line(line if alone else f"{name:<18} {line}")
