"""What the folder store alone promises: across processes, when writers are killed, and when the disk refuses."""

import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, ContractError, TransientError
from shared.storage.folder import LOCKS, TEMPORARY, FolderStore

BUCKET = "stock-data"
ROOT = Path(__file__).parents[3]
ADD = """
import sys
from pathlib import Path
from shared.ports import PreconditionFailedError
from shared.storage.folder import FolderStore

store, left = FolderStore(Path(sys.argv[1])), int(sys.argv[2])
while left:
    there = store.get("stock-data", "A/count")
    count = int(there.data.split()[0]) + 1 if there else 1
    data = f"{count} ".encode() * 20_000
    try:
        store.put("stock-data", "A/count", data, expected=there.etag if there else None)
    except PreconditionFailedError:
        continue
    print(count, flush=True)
    left -= 1
"""
HOLD = """
import sys
from pathlib import Path
from shared.storage.durable_files import temporary_file

with temporary_file(Path(sys.argv[1]), b"half"):
    print("written", flush=True)
    sys.stdin.read()
"""
SMALL_DISK = """
import resource, sys
from pathlib import Path
from shared.errors import TransientError
from shared.storage.folder import FolderStore

store = FolderStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put("stock-data", "x", b"n" * 300_000, expected=store.get("stock-data", "x").etag)
except TransientError as error:
    print(error)
"""
NO_RIGHT = """
import os, sys
from pathlib import Path
from shared.errors import TransientError
from shared.storage.folder import FolderStore

if os.geteuid() == 0:
    os.setuid(65534)
try:
    FolderStore(Path(sys.argv[1])).put("stock-data", "x", b"new", expected=None)
except TransientError as error:
    print(error)
"""


@contextmanager
def running(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    FolderStore(tmp_path / "lake").ensure_bucket(BUCKET)
    return tmp_path / "lake"


def strays(root: Path) -> list[Path]:
    return list((root / BUCKET / TEMPORARY).iterdir())


def count_in(root: Path) -> int:
    there = FolderStore(root).get(BUCKET, "A/count")
    numbers = there.data.split() if there else [b"0"]
    assert len(set(numbers)) == 1, "half an object"
    assert len(numbers) == (20_000 if there else 1)
    return int(numbers[0])


def test_increments_of_processes_lose_none(root: Path) -> None:
    with running(ADD, root, 40) as one, running(ADD, root, 40) as two, running(ADD, root, 40) as three:
        told = [int(line) for process in (one, two, three) for line in process.communicate(timeout=120)[0].split()]
    assert sorted(told) == list(range(1, 121))
    assert count_in(root) == 120
    assert strays(root) == []


def test_killed_writers_lose_nothing_that_was_acknowledged(root: Path) -> None:
    generator = random.Random(7)
    for _ in range(8):
        before = count_in(root)
        with running(ADD, root, -1) as process:
            assert process.stdout
            told = [process.stdout.readline() for _ in range(generator.randint(1, 30))]
            process.kill()
            told += process.stdout.readlines()
        assert [int(line) for line in told] == list(range(before + 1, before + 1 + len(told)))
        assert count_in(root) - before in (len(told), len(told) + 1)
    assert strays(root) == []


def test_temporary_file_stays_while_its_writer_lives_and_goes_when_it_is_dead(root: Path) -> None:
    with running(HOLD, root / BUCKET / TEMPORARY) as process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        FolderStore(root)
        assert len(strays(root)) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(strays(root)) == 1
        FolderStore(root)
        assert strays(root) == []


def test_disk_that_fills_midway_leaves_the_old_object_and_no_stray(root: Path) -> None:
    FolderStore(root).put(BUCKET, "x", b"old", expected=None)
    with running(SMALL_DISK, root) as process:
        said = process.communicate(timeout=60)[0]
    assert "no space is left" in said
    assert str(root) in said
    assert FolderStore(root).get(BUCKET, "x").data == b"old"  # type: ignore[union-attr]
    assert strays(root) == []


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="tickerstream-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "lake")


@pytest.mark.parametrize("mode", [0o555, 0o500, 0o000], ids=["readable", "own", "closed"])
def test_folder_of_another_user_is_told(outside: Path, mode: int) -> None:
    FolderStore(outside).ensure_bucket(BUCKET)
    folders = [outside / BUCKET / TEMPORARY, outside / BUCKET / LOCKS, outside / BUCKET, outside]
    for folder in folders:
        folder.chmod(mode)
    with running(NO_RIGHT, outside) as process:
        said = process.communicate(timeout=60)[0]
    for folder in reversed(folders):
        folder.chmod(0o755)
    assert "no right to it" in said
    assert FolderStore(outside).get(BUCKET, "x") is None


def test_lock_held_by_a_stopped_writer_is_waited_for_within_bounds(root: Path) -> None:
    patient, impatient = FolderStore(root), FolderStore(root, lock_seconds=0.2)
    with patient._locked(BUCKET, "x"), pytest.raises(TransientError, match="lock"):
        impatient.put(BUCKET, "x", b"new", expected=None)
    impatient.put(BUCKET, "x", b"new", expected=None)


def test_object_where_a_folder_is_needs_a_person(root: Path) -> None:
    store = FolderStore(root)
    store.put(BUCKET, "A/x", b"1", expected=None)
    assert store.get(BUCKET, "A") is None
    with pytest.raises(ContractError, match="same name"):
        store.put(BUCKET, "A", b"1", expected=None)
    with pytest.raises(ContractError, match="same name"):
        store.put(BUCKET, "A/x/y", b"1", expected=None)


def test_tree_holds_nothing_but_the_objects_for_plain_readers(root: Path) -> None:
    store = FolderStore(root)
    store.put(BUCKET, "A/2024/01/A_2024-W01.parquet", b"1", expected=None)
    store.probe(BUCKET)
    assert [p.name for p in root.rglob("*.parquet")] == ["A_2024-W01.parquet"]
    assert {p.name for p in (root / BUCKET).iterdir() if not p.name.startswith(".")} == {"A"}


def test_folder_that_was_never_provisioned_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="provision"):
        FolderStore(tmp_path / "nowhere").get(BUCKET, "x")
