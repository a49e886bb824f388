"""How services that run elsewhere are: each is asked over HTTP for its heartbeat (TICKERSTREAM_SERVICES)."""

import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel, ValidationError

from infra.embedded.status import HEALTHY, ProcessStatus, StackStatus
from shared.errors import ConfigurationError

ANSWER_SECONDS: Final = 5.0
UNREACHABLE: Final = "unreachable"
SILENT: Final = "silent"
PREDICTOR: Final = "predictor"
_AT_ONCE: Final = 16


class Health(BaseModel):
    """What `/health` answers."""

    well: bool
    state: str
    detail: str
    pid: int | None = None
    host: str | None = None
    rss_mib: float | None = None
    peak_rss_mib: float | None = None
    cpu_seconds: float | None = None
    uptime_seconds: float | None = None
    age_seconds: float | None = None
    counters: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Service:
    """One name of TICKERSTREAM_SERVICES: a service, and the host and port that its containers answer at."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came from one address: whose heartbeat it is, and how it looks in the table."""

    service: str
    process: tuple[str | None, int | None]
    status: ProcessStatus


def parse_services(text: str) -> list[Service]:
    """Return the services in `name=http://host:port,...`.

    Raises:
        ConfigurationError: it is not of that form.
    """
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, url = part.partition("=")
        try:
            split = urlsplit(url)
            host, port = split.hostname, split.port
        except ValueError:
            host, port = None, None
        if not (name and url.startswith("http://") and host and port):
            raise ConfigurationError(
                f"TICKERSTREAM_SERVICES: {part!r} is not name=http://host:port. Name services so, with commas between."
            )
        found.append(Service(name, host, port))
    return found


def ask_services(services: Iterable[Service], page: str) -> StackStatus:
    """Return how the services are, every container of each: all addresses that the names resolve to are asked.

    Args:
        services: Whom to ask.
        page: Address of the predictor's page, for when it answers.
    """
    listed = list(services)
    with ThreadPoolExecutor(_AT_ONCE) as executor:
        answers = [one for found in executor.map(_ask_all, listed) for one in found]
    processes = list(_named(answers))
    bad = [process.name for process in processes if process.state not in HEALTHY]
    up = any(process.state != UNREACHABLE for process in processes)
    message = f"not well: {', '.join(bad)}" if bad else "running"
    serves = any(one.service == PREDICTOR and one.status.state in HEALTHY for one in answers)
    return StackStatus("services", up, not bad, message, processes, page if serves else None)


def _ask_all(service: Service) -> list[_Answer]:
    """Ask every container of a service once, though it may have an address in several networks."""
    try:
        found = socket.getaddrinfo(service.host, service.port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return [_unreachable(service, f"nothing runs under the name {service.host}")]
    answers = [_ask(service, str(address[0])) for *_, address in sorted(found, key=lambda one: one[4])]
    known = {one.process: one for one in answers if one.process != (None, None)}
    return list(known.values()) or answers[:1]


def _ask(service: Service, address: str) -> _Answer:
    url = f"http://{address}:{service.port}/health"
    try:
        answer = urllib3.request("GET", url, timeout=ANSWER_SECONDS, retries=False)
        said = Health.model_validate_json(answer.data)
    except urllib3.exceptions.HTTPError as error:
        return _unreachable(service, f"{url}: {error}")
    except ValidationError:
        return _unreachable(service, f"{url} answers something else. Name its METRICS_PORT in TICKERSTREAM_SERVICES")
    return _Answer(service.name, (said.host, said.pid), _status(service, said))


def _status(service: Service, said: Health) -> ProcessStatus:
    silent = not said.well and said.state in HEALTHY
    return ProcessStatus(
        service.name,
        "service",
        SILENT if silent else said.state,
        f"last said: {said.detail or said.state}" if silent else said.detail or None,
        said.pid,
        None,
        said.rss_mib,
        said.peak_rss_mib,
        said.cpu_seconds,
        said.uptime_seconds,
        None,
        heartbeat_age_seconds=said.age_seconds,
        counters=said.counters,
    )


def _unreachable(service: Service, why: str) -> _Answer:
    return _Answer(service.name, (None, None), ProcessStatus(service.name, "service", UNREACHABLE, why, restarts=None))


def _named(answers: list[_Answer]) -> Iterator[ProcessStatus]:
    """Yield the rows; of several containers of a service each has the name of its host, by which Docker knows it."""
    names = [one.service for one in answers]
    for one in answers:
        several = names.count(one.service) > 1
        yield replace(one.status, name=f"{one.service}@{one.process[0]}") if several else one.status
