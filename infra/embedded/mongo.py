"""The document store of the embedded stack: a server of the MongoDB protocol as a local process."""

import socket
import struct
from pathlib import Path

from infra.embedded.jars import class_path
from infra.embedded.java import JAVA_ENVIRONMENT, ClassArchives, jvm_library
from infra.embedded.layout import Home
from infra.embedded.ports import LOOPBACK
from infra.embedded.unit import SERVER_VARIABLES, Launch, Unit, python_module

PROBE_SECONDS = 1.0
JVM_FLAGS = ("-Xms16m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable")
QUIET_FLAGS = ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
OP_MSG = 2013


class MongoServer(Unit):
    """A server of the MongoDB protocol with its data in one file.

    Args:
        home: The stack that it belongs to.
        port: Port for clients.
        name: Name of its log and data folder.
    """

    inherits = SERVER_VARIABLES

    def __init__(self, home: Home, port: int, name: str = "mongo") -> None:
        super().__init__(home, name, port)
        self._client_port = port
        self._jars = class_path(home.cache, "mongo")
        self._archives = ClassArchives(home.cache, "mongo", self._jars)

    @property
    def uri(self) -> str:
        """Return the address for clients."""
        return f"mongodb://{LOOPBACK}:{self._client_port}"

    @property
    def data(self) -> Path:
        """Return the folder of the store's file."""
        return self.home.data / self.name

    def prepare(self) -> None:
        """Make the data folder."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._archives.prepare()

    def launch(self) -> Launch:
        """Return the command line of the server."""
        flags = [f"--flag={flag}" for flag in (*JVM_FLAGS, *QUIET_FLAGS, *self._archives.flags())]
        jars = [f"--jar={jar}" for jar in self._jars]
        places = (f"--port={self._client_port}", f"--data={self.data / 'store.mv'}", f"--library={jvm_library()}")
        return Launch(python_module("infra.embedded.mongo_server", *places, *flags, *jars), JAVA_ENVIRONMENT)

    def healthy(self) -> bool:
        """Tell whether the server answers a ping."""
        return answers_ping(self._client_port)


def answers_ping(port: int) -> bool:
    """Tell whether a server of the MongoDB protocol at `port` of the loopback interface answers `ping`.

    The one message is written by hand, so that a supervisor needs no driver in memory.
    """
    fields = b"\x10ping\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<iB", 0, 0) + document
    head = struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG)
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_SECONDS) as connection:
            connection.settimeout(PROBE_SECONDS)
            connection.sendall(head + body)
            with connection.makefile("rb") as answer:
                return len(answer.read(16)) == 16
    except OSError:
        return False
