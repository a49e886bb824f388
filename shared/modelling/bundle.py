"""The immutable bundle: a folder named by the digest of its content, written beside, synced and renamed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import ContractError
from shared.modelling.manifest import Manifest, Record


class BundleError(ContractError):
    """A bundle on the model volume is missing, incomplete or altered. The model before it goes on being served."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model ready to be written: `files` by name (model.onnx, trees.npz, parity.npz) as listed in the manifest."""

    manifest: Manifest
    record: Record
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the manifest, which holds that of each file."""
        raise NotImplementedError


class LoadedBundle:
    """A verified model that answers."""

    digest: str
    manifest: Manifest
    record: Record

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the answers for feature rows.

        Args:
            rows: Shape (n, features), columns as `manifest.features`, NaN for null.

        Returns:
            Shape (n,): expected returns as fractions (regression), or probabilities of a rise (classification).

        Raises:
            ValueError: the shape is another one.
        """
        raise NotImplementedError


def write_bundle(model_dir: Path, bundle: Bundle) -> str:
    """Make the bundle durable in `model_dir / digest` and return its digest; one that is there already is kept.

    Raises:
        TransientError: the volume is full or unwell.
    """
    raise NotImplementedError


def load_bundle(model_dir: Path, digest: str) -> LoadedBundle:
    """Load a bundle after checking the digest, the SHA-256 of each file, and the answers to the parity sample.

    Raises:
        BundleError: one line that says what is missing, altered or of another shape.
    """
    raise NotImplementedError
