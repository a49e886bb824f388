"""The services of the stack, as a table: what `tickerstream up` starts after the servers are healthy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from infra.embedded.files import read_object
from infra.embedded.layout import Home
from infra.embedded.unit import Launch, Unit, python_module
from shared.errors import ConfigurationError


@dataclass(frozen=True)
class ServiceEntry:
    """One service.

    Attributes:
        name: What it is called in the status and in its log's name.
        arguments: Its command line.
        environment: Variables on top of the addresses that every service gets.
        port_variable: The one of those addresses that is the port it listens on, if it listens.
        heartbeat: Whether it writes HEARTBEAT_FILE; if so it counts as started once it has.
        grace_seconds: How long it may take to end when told to, before it is killed.
    """

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    port_variable: str | None = None
    heartbeat: bool = True
    grace_seconds: float = 20.0


def module_service(module: str, *arguments: str) -> ServiceEntry:
    """Return the entry of `python -m module arguments`, named after both."""
    return ServiceEntry("-".join((module, *arguments)), python_module(module, *arguments))


PROVISION = ServiceEntry("provision", python_module("infra.provision"), heartbeat=False)
LAKE_SERVICES = tuple(module_service("consumers", kind) for kind in ("stock", "actions", "macro", "company"))
# Parallel over tickers, so a library must not start threads of its own beside the workers.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
AGGREGATOR = module_service("aggregator")
TRAIN = replace(module_service("train"), environment=ONE_THREAD, grace_seconds=30.0)
PREDICTOR = replace(module_service("predictor"), environment=ONE_THREAD, port_variable="PREDICTOR_PORT")
LEDGER = module_service("consumers", "predictions")
SERVICES: tuple[ServiceEntry, ...] = (*LAKE_SERVICES, AGGREGATOR, TRAIN, PREDICTOR, LEDGER)
"""Every service, in the order of the data's way through them. One that ends stops no other."""


def select_services(names: Sequence[str]) -> tuple[ServiceEntry, ...]:
    """Return the entries called `names`, in the table's order.

    Raises:
        ConfigurationError: There is no service of that name.
    """
    known = {entry.name: entry for entry in SERVICES}
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(f"There is no service called {unknown[0]}; there are: {', '.join(known)}.")
    return tuple(entry for entry in SERVICES if entry.name in names)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a supervisor is to run, handed over in a file.

    Attributes:
        ports: Port of each server.
        provision: The one-shot process between servers and services, if any.
        services: The services, in the order of their start.
    """

    ports: dict[str, int]
    provision: ServiceEntry | None
    services: tuple[ServiceEntry, ...]

    def to_json(self) -> str:
        """Return the plan as text."""
        return json.dumps(asdict(self), indent=1)


def entry_from(raw: dict[str, object]) -> ServiceEntry:
    """Return the entry that was written as `raw`."""
    arguments, environment = raw["arguments"], raw.get("environment", {})
    if not isinstance(arguments, list) or not isinstance(environment, dict):
        raise ConfigurationError(f"Not an entry of a service: {raw}")
    return ServiceEntry(
        str(raw["name"]),
        tuple(map(str, arguments)),
        environment,
        str(raw["port_variable"]) if raw.get("port_variable") else None,
        bool(raw.get("heartbeat", True)),
        float(str(raw.get("grace_seconds", ServiceEntry.grace_seconds))),
    )


def load_plan(path: Path) -> Plan:
    """Return the plan in `path`.

    Raises:
        ConfigurationError: There is none that can be read.
    """
    raw = read_object(path)
    if raw is None or not isinstance(raw["ports"], dict) or not isinstance(raw["services"], list):
        raise ConfigurationError(f"{path} is not a plan for a supervisor")
    provision = raw["provision"]
    return Plan(
        raw["ports"],
        entry_from(provision) if isinstance(provision, dict) else None,
        tuple(entry_from(entry) for entry in raw["services"]),
    )


class Service(Unit):
    """A service process.

    Args:
        home: The stack that it belongs to.
        entry: Its row in the table.
        addresses: Environment that tells it where the servers are.
    """

    def __init__(self, home: Home, entry: ServiceEntry, addresses: dict[str, str]) -> None:
        port = int(addresses.get(entry.port_variable, 0)) if entry.port_variable else 0
        super().__init__(home, entry.name, port or None)
        self._entry = entry
        self.grace_seconds = entry.grace_seconds
        self._given: dict[str, str] = {}
        self._environment = {
            **addresses,
            "HEARTBEAT_FILE": str(home.heartbeat(entry.name)),
            **entry.environment,
        }

    def take(self, settings: Mapping[str, str]) -> None:
        """Have these settings from the next start on, those that were taken before and are not among them as well."""
        self._given.update(settings)

    def prepare(self) -> None:
        """Forget the heartbeat of the process before."""
        self.home.heartbeat(self.name).unlink(missing_ok=True)

    def launch(self) -> Launch:
        """Return the service's command line."""
        return Launch(self._entry.arguments, {**self._given, **self._environment})

    def healthy(self) -> bool:
        """Tell whether this process has written a heartbeat that says more than `starting`."""
        if not self._entry.heartbeat:
            return True
        beat = read_object(self.home.heartbeat(self.name))
        return beat is not None and beat.get("pid") == self.pid and beat.get("state") != "starting"
