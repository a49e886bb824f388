"""How every process starts and ends: logging, signals, resources, exit codes."""

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from shared.clock import Clock, SystemClock
from shared.errors import ConfigurationError, ContractError, TickerstreamError
from shared.runtime import failpoints
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.log import configure_logging
from shared.runtime.metrics import serving
from shared.runtime.process_metrics import tell_process
from shared.runtime.stopping import Stopping, stop_on_signals
from shared.settings import RuntimeSettings

STOPPED: Final = 0
CRASHED: Final = 1
MISCONFIGURED: Final = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a service's main gets.

    Attributes:
        name: The service, such as `consumers.stock`.
        settings: Home, log, heartbeat.
        clock: Where the time comes from.
        stopping: True once the process is to end; `stopping.wait(seconds)` sleeps until then.
        heartbeat: Where it says how it is.
        resources: Closed in reverse order at the end, also after an error.
    """

    name: str
    settings: RuntimeSettings
    clock: Clock
    stopping: Stopping
    heartbeat: Heartbeat
    resources: ExitStack = field(default_factory=ExitStack)


def run(name: str, main: Callable[[Runtime], int | None], clock: Clock | None = None) -> int:
    """Run a service until it ends, is stopped, or fails; return the process's exit code.

    SIGTERM and SIGINT set the stop flag, a second SIGINT kills. Exit codes: what `main` returns (None = 0); 1 after a
    crash, with a traceback in the log (one line where the error is ours); 2, with one line, where a person must act.

    Args:
        name: The service, such as `consumers.stock`; failpoints begin with it.
        main: The composition root: makes the adapters, enters them in `resources`, runs a loop.
        clock: The machine's where not given.
    """
    stopping = Stopping()
    try:
        settings = RuntimeSettings.load()
        failpoints.configure(settings.tickerstream_failpoints)
        configure_logging(name, settings.log_level, settings.log_format)
    except ConfigurationError as error:
        return _refuse(error)
    clock = clock or SystemClock()
    heartbeat = Heartbeat(settings.heartbeat_file, name, clock)
    runtime = Runtime(name, settings, clock, stopping, heartbeat)
    tell_process(name, heartbeat)
    with stop_on_signals(stopping):
        code, detail = _guarded(runtime, main)
        runtime.heartbeat.beat("stopped", detail)
    return code


def _guarded(runtime: Runtime, main: Callable[[Runtime], int | None]) -> tuple[int, str]:
    """Return the exit code of `main` and why it ended; every error ends here."""
    runtime.heartbeat.beat("starting")
    try:
        with runtime.resources:
            if runtime.settings.metrics_port is not None:
                server = serving(runtime.settings.metrics_host, runtime.settings.metrics_port, runtime.heartbeat)
                runtime.resources.enter_context(server)
            return main(runtime) or STOPPED, ""
    except (ConfigurationError, ContractError) as error:
        return _refuse(error), str(error)
    except TickerstreamError as error:
        _log.error("%s", error)
        return CRASHED, str(error)
    except Exception as error:
        _log.exception("crashed")
        return CRASHED, f"crashed: {type(error).__name__}: {error}"


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return MISCONFIGURED
