"""Apache Kafka as one local process: broker and controller in one (KRaft), data and address kept between starts."""

import base64
import os
import shutil
import socket
import struct
import subprocess
import uuid
from importlib.resources import files
from pathlib import Path

from infra.embedded.files import write_atomic
from infra.embedded.jars import class_path
from infra.embedded.java import JAVA_ENVIRONMENT, ClassArchives, java
from infra.embedded.layout import Home
from infra.embedded.ports import LOOPBACK
from infra.embedded.unit import SERVER_VARIABLES, Launch, Unit
from shared.errors import ConfigurationError, TransientError

FORMAT_SECONDS = 60
PROBE_SECONDS = 1.0
# Two cores and little memory: the simplest collector, the quick compiler only.
JVM_FLAGS = ("-Xms96m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
QUIET_FLAGS = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED", "-Xlog:disable")


class KafkaServer(Unit):
    """A single Kafka node on the loopback interface. Topics are made by provisioning, never by the broker.

    Args:
        home: The stack that it belongs to.
        port: Port for clients.
        controller_port: Port on which the node talks to itself as controller.
        name: Name of its log and data folder.
        further: Lines of its configuration that come last, and so win.
    """

    inherits = SERVER_VARIABLES
    grace_seconds = 30.0
    healthy_within_seconds = 60.0

    def __init__(self, home: Home, port: int, controller_port: int, name: str = "kafka", further: str = "") -> None:
        super().__init__(home, name, port)
        self._further = further
        self._controller_port = controller_port
        self._client_port = port
        self._jars = class_path(home.cache, "kafka")
        self._archives = ClassArchives(home.cache, "kafka", self._jars)

    @property
    def bootstrap_servers(self) -> str:
        """Return the address for clients."""
        return f"{LOOPBACK}:{self._client_port}"

    @property
    def data(self) -> Path:
        """Return the folder of the topics' data."""
        return self.home.data / self.name

    def prepare(self) -> None:
        """Write the configuration, and format the data folder where there is none (about a second)."""
        self._archives.prepare()
        if not (self.data / "meta.properties").exists():
            self._format()
        self._configure(self.data)

    def launch(self) -> Launch:
        """Return the command line of the broker."""
        logging = files("infra.embedded").joinpath("kafka-log4j2.properties")
        arguments = (f"-Dlog4j2.configurationFile={logging}", *self._archives.flags(self._fresh_archive))
        return Launch((*self._java(*arguments), "kafka.Kafka", self._configuration), JAVA_ENVIRONMENT)

    def healthy(self) -> bool:
        """Tell whether the broker answers a metadata request and counts itself as alive."""
        return broker_count(self._client_port) > 0

    def stopped(self) -> None:
        """Keep the class archive that the first orderly stop leaves."""
        self._archives.adopt(self._fresh_archive)

    @property
    def _configuration(self) -> Path:
        return self.home.run / f"{self.name}.properties"

    @property
    def _fresh_archive(self) -> Path:
        return self.home.run / f"{self.name}.jsa"

    def _configure(self, data: Path) -> None:
        template = files("infra.embedded").joinpath("kafka.properties").read_text(encoding="utf-8")
        places = {"PORT": self._client_port, "CONTROLLER_PORT": self._controller_port, "DATA": data}
        for place, value in places.items():
            template = template.replace(f"@{place}@", _property(str(value)))
        write_atomic(self._configuration, template + self._further)

    def _format(self) -> None:
        """Format beside and rename, so that a data folder is either complete or not there."""
        beside = self.data.with_name(f".{self.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        self._configure(beside)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._java(*self._archives.flags()), "kafka.tools.StorageTool", "format"]
        done = subprocess.run(
            [*command, f"--cluster-id={cluster}", "--config", self._configuration],
            check=False,
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            env={**os.environ, **JAVA_ENVIRONMENT},
        )
        if done.returncode != 0:
            raise TransientError(f"Kafka's data folder could not be formatted: {(done.stderr or done.stdout)[-500:]}")
        beside.replace(self.data)

    def _java(self, *flags: str) -> tuple[str | Path, ...]:
        path = ":".join(str(jar) for jar in self._jars)
        return (java(), *JVM_FLAGS, *QUIET_FLAGS, *flags, "-cp", path)


def _property(value: str) -> str:
    """Return a value as Java reads it from a properties file: Latin-1, all else escaped.

    Raises:
        ConfigurationError: Kafka would take it for several values.
    """
    if "," in value:
        raise ConfigurationError(f"Kafka cannot keep its data in a folder with a comma in its name: {value}.")
    return "".join(
        char if " " <= char <= "~" and char != "\\" else "".join(f"\\u{unit:04x}" for unit in _utf16(char))
        for char in value
    )


def _utf16(char: str) -> tuple[int, ...]:
    raw = char.encode("utf-16-be")
    return struct.unpack(f">{len(raw) // 2}H", raw)


def broker_count(port: int) -> int:
    """Ask the broker at `port` of the loopback interface how many brokers are alive; 0 = no answer.

    One request of Kafka's protocol written by hand (Metadata, version 1, no topics), so that a supervisor needs no
    Kafka client in memory.
    """
    client = b"tickerstream-health"
    body = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_SECONDS) as connection:
            connection.settimeout(PROBE_SECONDS)
            connection.sendall(struct.pack(">i", len(body)) + body)
            with connection.makefile("rb") as answer:
                head = answer.read(12)  # length, correlation id, number of brokers
        return int(struct.unpack(">iii", head)[2])
    except (OSError, struct.error):
        return 0
