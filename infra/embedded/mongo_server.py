"""The MongoDB-protocol server: mongo-java-server with its H2 file store, in a JVM inside this Python process.

Run as `python -m infra.embedded.mongo_server --port PORT --data FILE --library LIBJVM [--flag FLAG] --jar JAR ...`.
It proves our use of the protocol, not MongoDB's guarantees: no users, no transactions, no change streams.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Any

import jpype

from infra.embedded.ports import LOOPBACK

# Current drivers refuse servers below this wire version; the server speaks enough of it.
WIRE_VERSION = 13
VERSION = (5, 0, 0)


class Durable:
    """A backend whose answers come only after what they acknowledge is in the file: H2 alone writes once a second.

    Args:
        backend: The server's own, an H2Backend.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        """Return the backend's own method."""
        return getattr(self._backend, name)

    def handleMessage(self, message: Any) -> Any:  # noqa: N802  the name that the Java interface has
        """Do what a driver asks for, write, answer."""
        answer = self._backend.handleMessage(message)
        self._backend.commit()
        return answer


def serve(port: int, data: str, library: str, flags: Sequence[str], jars: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        port: Port of the loopback interface.
        data: File of the H2 store; made where it is missing.
        library: The Java runtime's shared library.
        flags: JVM flags.
        jars: Class path.
    """
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # before the JVM's threads exist, so that none takes them
    jpype.startJVM(library, *flags, classpath=list(jars), interrupt=False)
    backend = jpype.JClass("de.bwaldvogel.mongo.backend.h2.H2Backend")(data)
    backend.version(_wire_version())
    durable = jpype.JProxy("de.bwaldvogel.mongo.MongoBackend", inst=Durable(backend))
    server = jpype.JClass("de.bwaldvogel.mongo.MongoServer")(durable)
    server.bind(LOOPBACK, port)
    sys.stdout.write(f"serving on {LOOPBACK}:{port}\n")
    sys.stdout.flush()
    signal.sigwait(stop_signals)
    server.shutdownNow()


def _wire_version() -> Any:
    """Return the version that the server declares, an object of its Java interface."""
    integer = jpype.JClass("java.lang.Integer")
    numbers = jpype.JClass("java.util.Arrays").asList([integer.valueOf(number) for number in VERSION])
    methods = {
        "getVersionArray": lambda: numbers,
        "getWireVersion": lambda: WIRE_VERSION,
        "toVersionString": lambda: ".".join(map(str, VERSION)),
    }
    return jpype.JProxy("de.bwaldvogel.mongo.MongoVersion", dict=methods)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--flag", action="append", default=[])
    parser.add_argument("--jar", action="append", default=[])
    given = parser.parse_args()
    serve(given.port, given.data, given.library, given.flag, given.jar)


if __name__ == "__main__":
    main()
