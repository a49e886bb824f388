"""Bundles on a real file system: whole or refused, kept or replaced, and nothing that must be unpickled."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shared.errors import ContractError, TransientError
from shared.modelling.bundle import FILES, MANIFEST, RECORD, Bundle, BundleError, load_bundle, write_bundle
from shared.modelling.manifest import Record
from shared.modelling.train_ticker import TrainedModel, train_ticker
from tests.shared.modelling.worlds import FEATURES, planted_rows, request

MADE = Record(created_at=datetime(2025, 1, 1, tzinfo=UTC), run_id="run-1")
ALL = (MANIFEST, RECORD, *FILES)


@pytest.fixture(scope="module")
def trained() -> list[TrainedModel]:
    return train_ticker(planted_rows(1, 10, 60, 0.1), request(), MADE)


@pytest.fixture(scope="module")
def bundle(trained) -> Bundle:
    return trained[0].bundle


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_bundle_is_loaded_as_it_was(tmp_path, trained):
    digests = [write_bundle(tmp_path, model.bundle) for model in trained]
    assert visible(tmp_path) == sorted(digests)
    for model, digest in zip(trained, digests, strict=True):
        loaded = load_bundle(tmp_path, digest)
        assert loaded.manifest == model.bundle.manifest
        assert loaded.record == MADE
        assert loaded.trees.to_npz() == model.bundle.files["trees.npz"]


def test_loaded_bundle_answers_one_row_as_many(tmp_path, trained):
    rows = np.random.default_rng(5).standard_normal((20, len(FEATURES))).astype(np.float32)
    rows[3] = np.nan
    for model in trained:
        loaded = load_bundle(tmp_path, write_bundle(tmp_path, model.bundle))
        together = loaded.predict(rows)
        assert together.shape == (20,)
        assert together.dtype == np.float64
        assert [loaded.predict(row[None, :])[0] for row in rows] == together.tolist()
        assert loaded.predict(rows[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(3, len(FEATURES) + 1), (len(FEATURES),), (0, 0)])
def test_loaded_bundle_other_shape_is_refused(tmp_path, bundle, shape):
    loaded = load_bundle(tmp_path, write_bundle(tmp_path, bundle))
    with pytest.raises(ValueError, match="shape"):
        loaded.predict(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("name", ALL)
def test_load_bundle_missing_file_is_refused(tmp_path, bundle, name):
    digest = write_bundle(tmp_path, bundle)
    (tmp_path / digest / name).unlink()
    with pytest.raises(BundleError, match=f"{digest[:12]}: {name} can not be read"):
        load_bundle(tmp_path, digest)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: data[:0], lambda data: data[:99] + b"~" + data[100:]]
)
def test_load_bundle_altered_file_is_refused(tmp_path, bundle, name, spoil):
    digest = write_bundle(tmp_path, bundle)
    path = tmp_path / digest / name
    path.write_bytes(spoil(path.read_bytes()))
    if name == RECORD and path.read_bytes().endswith(b"}"):
        return  # how a bundle was made is no part of what is served
    with pytest.raises(BundleError, match=r"of this version|altered|disagree|can not be read"):
        load_bundle(tmp_path, digest)


def test_load_bundle_never_written_is_refused(tmp_path):
    with pytest.raises(ContractError, match="can not be read"):
        load_bundle(tmp_path, "0" * 64)


@pytest.mark.parametrize("digest", ["../escape", "", "A" * 64, "0" * 63])
def test_load_bundle_digest_that_is_none_is_refused(tmp_path, digest):
    with pytest.raises(BundleError, match="no digest"):
        load_bundle(tmp_path, digest)


def _foreign(bundle: Bundle, other: Bundle, names: tuple[str, ...]) -> Bundle:
    """A bundle with files of another model whose manifest says that this is right."""
    taken = {name: other.files[name] for name in names}
    digests = {**bundle.manifest.files, **{name: other.manifest.files[name] for name in names}}
    manifest = bundle.manifest.model_copy(update={"files": digests})
    return Bundle(manifest, bundle.record, {**bundle.files, **taken})


def test_load_bundle_graph_of_another_model_fails_the_sample(tmp_path, trained):
    swapped = _foreign(trained[0].bundle, trained[1].bundle, ("model.onnx",))
    digest = write_bundle(tmp_path, swapped)
    with pytest.raises(BundleError, match="parity sample differ"):
        load_bundle(tmp_path, digest)


@pytest.mark.parametrize("name", FILES)
def test_load_bundle_file_of_another_kind_is_refused(tmp_path, bundle, name):
    odd = Bundle(bundle.manifest, bundle.record, {**bundle.files, name: b"\x80\x04K\x01."})  # a pickle
    digests = {**bundle.manifest.files, name: hashlib.sha256(b"\x80\x04K\x01.").hexdigest()}
    digest = write_bundle(
        tmp_path, Bundle(bundle.manifest.model_copy(update={"files": digests}), odd.record, odd.files)
    )
    with pytest.raises(BundleError, match="can not be read"):
        load_bundle(tmp_path, digest)


def test_write_bundle_twice_keeps_the_first(tmp_path, bundle):
    digest = write_bundle(tmp_path, bundle)
    before = (tmp_path / digest / RECORD).stat().st_ino
    later = Bundle(bundle.manifest, Record(created_at=datetime(2026, 1, 1, tzinfo=UTC)), bundle.files)
    assert write_bundle(tmp_path, later) == digest
    assert (tmp_path / digest / RECORD).stat().st_ino == before
    assert visible(tmp_path) == [digest]


def test_write_bundle_damaged_one_is_replaced(tmp_path, bundle):
    digest = write_bundle(tmp_path, bundle)
    (tmp_path / digest / "trees.npz").write_bytes(b"")
    write_bundle(tmp_path, bundle)
    assert load_bundle(tmp_path, digest).digest == digest
    assert visible(tmp_path) == [digest]


def test_write_bundle_crash_before_the_name_leaves_nothing(tmp_path, bundle):
    def crash() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path, bundle, crash)
    assert visible(tmp_path) == []


def test_write_bundle_killed_writers_folder_is_removed_a_living_ones_is_kept(tmp_path, bundle):
    script = """
import sys, time
from pathlib import Path
from shared.modelling.durable import writing_folder
with writing_folder(Path(sys.argv[1]), {"model.onnx": b"half"}):
    print("ready", flush=True)
    time.sleep(600)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        os.kill(writers[0].pid, signal.SIGKILL)
        writers[0].wait()
        assert len(visible(tmp_path)) == 2
        digest = write_bundle(tmp_path, bundle)
        left = [name for name in visible(tmp_path) if name != digest]
        assert len(left) == 1
        assert left[0].startswith(f".{writers[1].pid}-")
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_write_bundle_volume_that_is_none_waits(tmp_path, bundle):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(TransientError, match="could not be written"):
        write_bundle(blocked, bundle)


def test_load_bundle_needs_no_training_library(tmp_path, bundle):
    """The predictor has no LightGBM, scikit-learn or SciPy installed, and must not want them."""
    digest = write_bundle(tmp_path, bundle)
    script = """
import sys
for name in ("lightgbm", "sklearn", "sklearnex", "scipy", "onnx", "pickle5", "joblib"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from shared.modelling.bundle import load_bundle
loaded = load_bundle(Path(sys.argv[1]), sys.argv[2])
print(loaded.predict(np.zeros((1, len(loaded.manifest.features)), dtype=np.float32))[0])
"""
    command = [sys.executable, "-c", script, str(tmp_path), digest]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / digest)
