"""One prediction through the API beside a bare FastAPI route that returns the same bytes, in turn, on one machine.

Both run in a process of their own under uvicorn with the same settings; the load comes from this process over
loopback. What is served is a real answer of real models, from memory, as the predictor serves it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.embedded.layout import Home
from infra.embedded.settings import EmbeddedSettings
from infra.embedded.stack import Wanted, running_stack
from shared.contracts.topics import TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.settings import KafkaSettings
from tests.predictor.making import deployed, feature_row
from tests.predictor.serving import Broker, serving

CONNECTIONS = 16
SECONDS = 5
ROUNDS = 3
BARE = """
import sys, uvicorn
from fastapi import FastAPI, Response
body = open(sys.argv[2], "rb").read()
app = FastAPI()
@app.get("/v1/predictions/{ticker}")
async def prediction(ticker: str, as_of: str | None = None) -> Response:
    return Response(body, media_type="application/json")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, server_header=False)
"""
TICKER = "SIM.BENCH"


def measure() -> list[str]:
    """Return Markdown lines: each round measures both, one after the other."""
    lines = ["| round | connections | bare route, answers/s | predictor, answers/s | ratio | predictor, p99 |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="tickerstream-bench-") as folder, _predictor(Path(folder)) as ours:
        url = f"{ours}v1/predictions/{TICKER}"
        body = Path(folder) / "body.json"
        body.write_bytes(urllib.request.urlopen(url).read())
        with _bare(body) as bare:
            _load(bare, 1), _load(url, 1)
            for number in range(1, ROUNDS + 1):
                theirs, _ = _load(bare, SECONDS)
                rate, p99 = _load(url, SECONDS)
                share = rate / theirs
                lines.append(f"| {number} | {CONNECTIONS} | {theirs:,.0f} | {rate:,.0f} | {share:.2f} | {p99} |")
    return [*lines, "", f"Load by {'wrk' if shutil.which('wrk') else 'a client in Python'}, {SECONDS} s a measurement."]


@contextmanager
def _predictor(folder: Path) -> Iterator[str]:
    """A predictor with three models and one row; provides its address."""
    home = Home(folder / "stack", EmbeddedSettings.load().tickerstream_cache or folder / "stack" / "cache")
    with running_stack(home, Wanted((), None)) as addresses:
        settings = KafkaSettings.load(kafka_bootstrap_servers=addresses.kafka_bootstrap_servers)
        KafkaAdmin(settings).provision(TOPICS)
        with KafkaWriter(settings, "benchmark") as writer:
            broker = Broker(settings, writer)
            broker.events(*deployed(folder / "models", TICKER))
            broker.rows(feature_row(TICKER))
            with serving(broker, folder / "predictor", folder / "models", {"PREDICTOR_JOBS_SECONDS": "1"}) as one:
                yield one.await_ready().url


@contextmanager
def _bare(body: Path) -> Iterator[str]:
    """The bare route; provides the address of its answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port), str(body)], env=os.environ)
    url = f"http://127.0.0.1:{port}/v1/predictions/{TICKER}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(url).read()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _load(url: str, seconds: int) -> tuple[float, str]:
    """Return answers a second, and the time that 99 % of them took."""
    if shutil.which("wrk"):
        command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said:
            raise RuntimeError(f"{url} did not always answer:\n{said}")
        rate, slow = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+(\S+)", said)
        assert rate is not None and slow is not None, said
        return float(rate[1]), slow[1]
    return _load_in_python(url, seconds)


def _load_in_python(url: str, seconds: int) -> tuple[float, str]:
    """The same from a child process of its own, over kept connections."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_load", url, str(seconds), str(CONNECTIONS)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    return float(found["rate"]), str(found["p99"])
