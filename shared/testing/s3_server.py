"""An S3 server in memory on loopback, in a process of its own: `with s3_server() as port`. Needs only Python (moto)."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from shared.settings import LakeSettings

ACCESS_KEY = "tickerstream"
SECRET_KEY = "tickerstream-secret"  # noqa: S105  of a server on loopback that lives for a test


@contextlib.contextmanager
def s3_server() -> Iterator[int]:
    """Run the server; yield its port on 127.0.0.1."""
    command = [sys.executable, "-m", "shared.testing.s3_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.strip().isdigit(), "the S3 server of the tests did not start; is moto[server] installed?"
            yield int(line)
        finally:
            process.terminate()


def lake_settings(port: int, timeout_seconds: float = 10.0, retry_seconds: float = 30.0) -> LakeSettings:
    """Return the settings that reach an S3 server on loopback."""
    return LakeSettings.load(
        lake_url=f"s3://127.0.0.1:{port}",
        lake_access_key=ACCESS_KEY,
        lake_secret_key=SECRET_KEY,
        lake_timeout_seconds=timeout_seconds,
        lake_retry_seconds=retry_seconds,
    )


def _serve() -> None:
    """Serve on a free port, told on stdout. Requests are handled one by one: moto compares and sets without a lock."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    lock = threading.Lock()
    backend = DomainDispatcherApplication(create_backend_app)

    def application(environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        with lock:
            answer: Iterable[bytes] = backend(environment, start)
        return answer

    server = make_server("127.0.0.1", 0, application, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
