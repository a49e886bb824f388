"""The immutable bundle: a folder named by the digest of its content, written beside, synced and renamed."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import ContractError, PoisonMessageError, TransientError
from shared.modelling.durable import remove_dead, rename_folder, writing_folder
from shared.modelling.manifest import Manifest, Record
from shared.modelling.parity import within_parity
from shared.modelling.sample import ParitySample
from shared.modelling.session import Graph
from shared.modelling.trees import Trees

MANIFEST: Final = "manifest.json"
RECORD: Final = "record.json"
MODEL: Final = "model.onnx"
TREES: Final = "trees.npz"
SAMPLE: Final = "parity.npz"
FILES: Final = (MODEL, TREES, SAMPLE)


class BundleError(ContractError):
    """A bundle on the model volume is missing, incomplete or altered. The model before it goes on being served."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model ready to be written: `files` by name (FILES), whose SHA-256 the manifest holds."""

    manifest: Manifest
    record: Record
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the manifest, which holds that of each file."""
        return sha256(self.manifest.encode())


class LoadedBundle:
    """A verified model that answers; safe to call from several threads.

    Args:
        digest: The bundle's.
        manifest: What it says of itself.
        record: How it was made.
        graph: Its graph.
        trees: The same trees as arrays.
    """

    def __init__(self, digest: str, manifest: Manifest, record: Record, graph: Graph, trees: Trees) -> None:
        self.digest = digest
        self.manifest = manifest
        self.record = record
        self.trees = trees
        self._graph = graph

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the answers for feature rows.

        Args:
            rows: Shape (n, features), columns as `manifest.features`, NaN for null.

        Returns:
            Shape (n,): expected returns as fractions (regression), or probabilities of a rise (classification).

        Raises:
            ValueError: the shape is another one.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.manifest.features):
            raise ValueError(f"rows have the shape {rows.shape}, the model takes (n, {len(self.manifest.features)})")
        return self._graph.predict(rows)


def sha256(data: bytes) -> str:
    """Return the SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def write_bundle(model_dir: Path, bundle: Bundle, before_rename: Callable[[], None] | None = None) -> str:
    """Make the bundle durable in `model_dir / digest` and return its digest.

    A bundle that is there already, and whole, is kept; a damaged one is replaced.

    Args:
        model_dir: The model volume; made when it is not there.
        bundle: What to write.
        before_rename: Called when everything is written and synced, just before it gets its name.

    Raises:
        TransientError: the volume is full or unwell.
    """
    digest = bundle.digest
    content = {**bundle.files, MANIFEST: bundle.manifest.encode(), RECORD: bundle.record.encode()}
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        remove_dead(model_dir)
        with writing_folder(model_dir, content) as folder:
            if before_rename is not None:
                before_rename()
            if not _is_whole(model_dir / digest, digest):
                rename_folder(folder, model_dir / digest)
    except OSError as error:
        raise TransientError(
            f"bundle {digest[:12]} could not be written to {model_dir}: {error}. Free the volume."
        ) from error
    return digest


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        _read_verified(folder, digest)
    except BundleError:
        return False
    return True


def load_bundle(model_dir: Path, digest: str) -> LoadedBundle:
    """Load a bundle after checking the digest, the SHA-256 of each file, and the answers to the parity sample.

    Raises:
        BundleError: one line that says what is missing, altered or of another shape.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise BundleError(f"{digest[:80]!r} is no digest of a bundle. Give the 64 hex digits of one that was deployed.")
    manifest, record, files = _read_verified(model_dir / digest, digest)
    try:
        trees, sample, graph = Trees.from_npz(files[TREES]), ParitySample.from_npz(files[SAMPLE]), Graph(files[MODEL])
    except Exception as error:  # each library has exceptions of its own for bytes that it cannot read
        raise _fault(digest, f"a file can not be read: {str(error).splitlines()[0]}") from error
    if graph.features != len(manifest.features) or sample.rows.shape[1:] != (graph.features,):
        raise _fault(digest, "the graph, the sample and the manifest disagree on the number of features")
    largest = float(np.max(np.abs(graph.predict(sample.rows) - sample.answers)))
    if not within_parity(largest, manifest.parity.deviation):
        raise _fault(digest, f"its answers to the parity sample differ by {largest:.3g} from those when it was made")
    return LoadedBundle(digest, manifest, record, graph, trees)


def _fault(digest: str, what: str) -> BundleError:
    return BundleError(f"bundle {digest[:12]}: {what}. It is not served; train the ticker again or restore the folder.")


def _read_verified(folder: Path, digest: str) -> tuple[Manifest, Record, dict[str, bytes]]:
    """Return the parts of a bundle, each file as its manifest says."""
    encoded = _read(folder, digest, MANIFEST)
    if sha256(encoded) != digest:
        raise _fault(digest, f"{MANIFEST} is altered")
    try:
        manifest, record = Manifest.decode(encoded), Record.decode(_read(folder, digest, RECORD))
    except PoisonMessageError as error:
        raise _fault(digest, f"its manifest or record is not of this version: {error}") from error
    missing = set(FILES) - set(manifest.files)
    if missing:
        raise _fault(digest, f"its manifest does not list {', '.join(sorted(missing))}")
    files = {name: _read(folder, digest, name) for name in FILES}
    for name, data in files.items():
        if sha256(data) != manifest.files[name]:
            raise _fault(digest, f"{name} is altered or cut short")
    return manifest, record, files


def _read(folder: Path, digest: str, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _fault(digest, f"{name} can not be read ({error.strerror})") from error
