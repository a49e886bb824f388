"""The pinned jars: refused when damaged, fetched once, whole or not there, whoever asks at the same time."""

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.embedded.jars import Jar, NoProgress, ensure_jars, pinned_jars
from shared.errors import ConfigurationError, TransientError


def copying_from(source: Path, fetched: Counter[str]) -> Callable[[Jar, Path, Callable[[int], None]], None]:
    """A repository that is a folder; it counts what was asked for."""

    def fetch(jar: Jar, target: Path, advance: Callable[[int], None]) -> None:
        fetched[jar.file] += 1
        shutil.copy(source / "jars" / jar.file, target)
        advance(jar.size)

    return fetch


def test_pinned_jars_are_kafka_s_46_and_the_document_store_s_17() -> None:
    assert {server: len(jars) for server, jars in pinned_jars().items()} == {"kafka": 46, "mongo": 17}
    assert {len(jar.sha256) for jars in pinned_jars().values() for jar in jars} == {64}
    kafka = {jar.coordinate for jar in pinned_jars()["kafka"]}
    assert {"org.apache.kafka:kafka_2.13:4.3.1", "org.apache.kafka:kafka-clients:4.3.1"} <= kafka


def test_fetched_jars_are_the_pinned_ones(jar_cache: Path) -> None:
    for jar in (jar for jars in pinned_jars().values() for jar in jars):
        assert hashlib.sha256((jar_cache / "jars" / jar.file).read_bytes()).hexdigest() == jar.sha256


def test_damaged_jar_in_the_cache_is_fetched_again(jar_cache: Path, tmp_path: Path) -> None:
    fetched: Counter[str] = Counter()
    ensure_jars(tmp_path, fetch=copying_from(jar_cache, fetched))
    victim = tmp_path / "jars" / "h2-2.3.232.jar"
    content = bytearray(victim.read_bytes())
    content[1000] ^= 0xFF
    victim.write_bytes(content)
    ensure_jars(tmp_path, fetch=copying_from(jar_cache, fetched))
    assert fetched["h2-2.3.232.jar"] == 2
    assert sum(fetched.values()) == 64
    assert victim.read_bytes() == (jar_cache / "jars" / "h2-2.3.232.jar").read_bytes()


def test_corrupt_download_is_refused_and_leaves_no_jar(jar_cache: Path, tmp_path: Path) -> None:
    def corrupt(jar: Jar, target: Path, advance: Callable[[int], None]) -> None:
        target.write_bytes(b"\0" * jar.size)

    with pytest.raises(ConfigurationError, match=r"is not the pinned file: its sha256 is"):
        ensure_jars(tmp_path, fetch=corrupt)
    assert list((tmp_path / "jars").iterdir()) == []


def test_failing_download_says_what_and_why_in_one_line(tmp_path: Path) -> None:
    def broken(jar: Jar, target: Path, advance: Callable[[int], None]) -> None:
        raise ConnectionResetError("connection reset")

    with pytest.raises(
        TransientError, match=r"Could not download .*\.jar .*connection reset\. Check the network"
    ) as told:
        ensure_jars(tmp_path, fetch=broken)
    assert "\n" not in str(told.value)


def test_download_that_fails_once_is_tried_again_and_counted_once(jar_cache: Path, tmp_path: Path) -> None:
    class Counting(NoProgress):
        total = done = 0
        lock = threading.Lock()

        def begin(self, what: str, total_bytes: int) -> None:
            assert what
            self.total = total_bytes

        def advance(self, count: int) -> None:
            with self.lock:
                self.done += count

    fetched: Counter[str] = Counter()
    copy = copying_from(jar_cache, fetched)

    def flaky(jar: Jar, target: Path, advance: Callable[[int], None]) -> None:
        copy(jar, target, advance)
        if fetched[jar.file] == 1:
            raise TimeoutError("too slow")

    progress = Counting()
    ensure_jars(tmp_path, progress, flaky)
    assert progress.done == progress.total == sum(jar.size for jars in pinned_jars().values() for jar in jars)


def test_two_processes_at_once_fetch_each_jar_once(jar_cache: Path, tmp_path: Path) -> None:
    fetched: Counter[str] = Counter()
    fetch = copying_from(jar_cache, fetched)
    with ThreadPoolExecutor(2) as pool:  # the lock is on the open file, so threads stand for processes
        for job in [pool.submit(ensure_jars, tmp_path, None, fetch) for _ in range(2)]:
            job.result()
    assert set(fetched.values()) == {1}
