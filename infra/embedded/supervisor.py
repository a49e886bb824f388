"""The daemon behind `tickerstream up`: starts servers, provisioning and services in order, and keeps them running.

Run as `python -m infra.embedded.supervisor HOME CACHE PLAN`. It goes to the background, tells what it does in the
home's state file, takes requests from files in `run/requests` (SIGHUP makes it look), and stops everything on SIGTERM.
"""

import os
import select
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.embedded.addresses import Addresses, addresses
from infra.embedded.files import read_object
from infra.embedded.given import settings_in
from infra.embedded.kafka import KafkaServer
from infra.embedded.layout import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.postgres import PostgresServer
from infra.embedded.processes import identify
from infra.embedded.services import Plan, Service, entry_from, load_plan
from infra.embedded.state import StackPhase, StackState
from infra.embedded.supervised import CALM_SECONDS, Clocks, Supervised
from infra.embedded.unit import Unit
from shared.errors import TickerstreamError

SERVER_START_ATTEMPTS = 3


def make_servers(home: Home, ports: dict[str, int]) -> list[Unit]:
    """Return the servers of a stack, in the order of their start."""
    return [
        PostgresServer(home, ports["postgres"]),
        KafkaServer(home, ports["kafka"], ports["kafka_controller"]),
        MongoServer(home, ports["mongo"]),
    ]


class Supervisor:
    """Runs one plan until it is told to stop.

    Args:
        home: The stack's home.
        plan: What to run.
    """

    def __init__(self, home: Home, plan: Plan) -> None:
        self._home = home
        self._plan = plan
        self._servers = [Supervised(unit, "server") for unit in make_servers(home, plan.ports)]
        self._jobs: list[Supervised] = []
        self._services: list[Supervised] = []
        self._state = StackState(identify(os.getpid()))
        self._stop = False
        self._wake, self._woken = socket.socketpair()

    def run(self) -> int:
        """Supervise until SIGTERM; return the exit code: 0 = stopped as told, 1 = the start failed."""
        self._listen_to_signals()
        self._save("starting")
        try:
            self._prepare()
            for server in self._servers:
                server.start(Clocks.now())
            while not self._stop:
                self._turn()
        except (TickerstreamError, OSError) as error:
            return self._shut_down(str(error))
        return self._shut_down(None)

    def _prepare(self) -> None:
        """Make the servers' data folders, all at once: each takes about a second the first time."""
        with ThreadPoolExecutor(len(self._servers)) as pool:
            list(pool.map(lambda server: server.unit.prepare(), self._servers))
        where = addresses(self._home)
        if self._plan.provision:
            self._jobs = [Supervised(Service(self._home, self._plan.provision, where.environment()), "job")]
        self._services = [self._service(where, entry.name) for entry in self._plan.services]
        self._save("starting")

    def _service(self, where: Addresses, name: str) -> Supervised:
        entry = next(entry for entry in self._plan.services if entry.name == name)
        return Supervised(Service(self._home, entry, where.environment()), "service")

    def _turn(self) -> None:
        """Do what is due, then sleep until a signal or the next thing that is."""
        now = Clocks.now()
        changed = self._take_requests(now)
        for supervised in self._all():
            changed |= supervised.tick(now)
        changed |= self._advance(now)
        if changed:
            self._save("running" if self._is_up() else "starting")
        busy = (supervised.wait_seconds(now) for supervised in self._all())
        self._sleep(min(busy, default=CALM_SECONDS))

    def _advance(self, now: Clocks) -> bool:
        """Start the next layer once the one before is healthy; tell whether that was done.

        Raises:
            TickerstreamError: A server never came up, or provisioning failed.
        """
        for server in self._servers:
            if not server.ever_healthy and server.crashes >= SERVER_START_ATTEMPTS:
                raise TickerstreamError(f"{server.unit.name} does not start: {server.state.last_line}")
        if not all(server.ever_healthy for server in self._servers):
            return False
        for job in self._jobs:
            if job.state.phase == "failed":
                raise TickerstreamError(f"{job.unit.name} failed ({job.state.last_exit}): {job.state.last_line}")
        ready = all(job.state.phase == "finished" for job in self._jobs)
        layer = [one for one in (self._services if ready else self._jobs) if one.state.phase == "waiting"]
        for one in layer:
            one.start(now)
        return bool(layer)

    def _take_requests(self, now: Clocks) -> bool:
        taken = False
        for file in sorted(self._home.requests.glob("*.json")):
            request = read_object(file) or {}
            file.unlink(missing_ok=True)
            taken = True
            if request.get("action") == "restart":
                for supervised in self._all():
                    if supervised.unit.name == request.get("name"):
                        supervised.unit.take(settings_in(request))
                        supervised.restart(now)
            elif request.get("action") == "add" and isinstance(raw := request.get("entry"), dict):
                self._add(raw, settings_in(request), now)
        return taken

    def _add(self, raw: dict[str, object], settings: dict[str, str], now: Clocks) -> None:
        """Take one more service into the plan; one that is there and does not run is started."""
        entry = entry_from(raw)
        for present in self._services:
            if present.unit.name == entry.name:
                if present.unit.pid is None and present.state.phase != "waiting":
                    present.unit.take(settings)
                    present.restart(now)
                return
        service = Service(self._home, entry, addresses(self._home).environment())
        service.take(settings)
        self._services.append(Supervised(service, "service"))

    def _shut_down(self, why: str | None) -> int:
        """Stop the services, then the servers."""
        self._save("stopping", why)
        for layer in (self._services, self._jobs, self._servers):
            with ThreadPoolExecutor(max(1, len(layer))) as pool:
                list(pool.map(Supervised.stop, reversed(layer)))
            self._save("stopping", why)
        self._save("stopped" if why is None else "failed", why)
        return 0 if why is None else 1

    def _is_up(self) -> bool:
        return bool(self._all()) and all(one.settled or one.crashes for one in self._all())

    def _all(self) -> list[Supervised]:
        return [*self._servers, *self._jobs, *self._services]

    def _save(self, phase: StackPhase, message: str | None = None) -> None:
        self._state.phase, self._state.message = phase, message
        self._state.units = [supervised.state for supervised in self._all()]
        self._state.save(self._home.state_file)

    def _listen_to_signals(self) -> None:
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        for wanted in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(wanted, lambda *_: None)
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, self._note_stop)

    def _note_stop(self, *_: object) -> None:
        self._stop = True

    def _sleep(self, seconds: float) -> None:
        if select.select([self._wake], [], [], seconds)[0]:
            self._wake.recv(4096)


def main() -> None:
    """Go to the background and supervise."""
    home = Home(Path(sys.argv[1]), Path(sys.argv[2]))
    plan = load_plan(Path(sys.argv[3]))
    if os.fork():
        os._exit(0)
    os.setsid()
    sys.exit(Supervisor(home, plan).run())


if __name__ == "__main__":
    main()
