"""A ticker's labelled rows as contiguous arrays: what every kind, fold and metric is made from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.errors import ContractError
from shared.modelling.boosting import Rows
from shared.modelling.labels import LABEL_COLUMNS, MINUTE
from shared.modelling.metrics import Floats

_TURNED_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """The rows that have a label, ascending in time.

    Attributes:
        rows: Features, shape (n, features), float32, NaN for null.
        times: Bar start of each row, minutes since 1970 UTC.
        sessions: Its session as days since 1970.
        ends: When its label ends, minutes since 1970 UTC.
        label: Return over the horizon, as a fraction.
        executable: Return from the next bar's open; NaN where there is none.
        last: The newest label known at the row; NaN where there is none.
        simulated: Whether the ticker is.
    """

    rows: Rows
    times: NDArray[np.int64]
    sessions: NDArray[np.int64]
    ends: NDArray[np.int64]
    label: Floats
    executable: Floats
    last: Floats
    simulated: bool

    @property
    def closes(self) -> NDArray[np.int64]:
        """Return when each row's bar closes and its label begins, minutes since 1970 UTC."""
        return self.times + 1

    def instant(self, place: int) -> datetime:
        """Return the bar start of a row, aware, UTC."""
        return datetime.fromtimestamp(int(self.times[place]) * 60, UTC)

    def digest(self) -> str:
        """Return the SHA-256 of features, times and labels."""
        content = hashlib.sha256()
        for array in (self.times, self.label, self.rows):
            content.update(np.ascontiguousarray(array).data)
        return content.hexdigest()


def labelled_rows(rows: pl.DataFrame, labelled: pl.DataFrame, features: Sequence[str]) -> LabelledRows:
    """Keep the rows that have a label.

    Args:
        rows: timestamp, simulated and the features.
        labelled: `labels` of the same rows.
        features: Columns to keep, in order.

    Raises:
        ContractError: simulated and real rows are mixed.
    """
    places = np.flatnonzero(labelled["label"].is_not_null().to_numpy())
    kinds = rows["simulated"].unique()
    if len(kinds) > 1:
        raise ContractError("simulated and real rows of one ticker are mixed; no model is made of them. Remove one.")
    kept = labelled.select(LABEL_COLUMNS.keys())[places]
    return LabelledRows(
        rows=_matrix(rows, places, features),
        times=rows["timestamp"].to_physical().to_numpy()[places] // MINUTE,
        sessions=kept["session_day"].to_physical().cast(pl.Int64).to_numpy(),
        ends=kept["label_end"].to_physical().to_numpy() // MINUTE,
        label=kept["label"].to_numpy(),
        executable=kept["executable"].fill_null(np.nan).to_numpy(),
        last=kept["last"].fill_null(np.nan).to_numpy(),
        simulated=bool(kinds[0]) if len(kinds) else False,
    )


def _matrix(rows: pl.DataFrame, places: NDArray[np.int64], features: Sequence[str]) -> Rows:
    """Return the features of some rows, so many at a time as stay in the processor's cache while they are turned."""
    matrix = np.empty((len(places), len(features)), dtype=np.float32)
    wanted = np.zeros(rows.height, dtype=bool)
    wanted[places] = True
    seen = filled = 0
    for piece in rows.select(features).iter_slices(_TURNED_ROWS):
        values = piece.cast(pl.Float32).to_numpy()[wanted[seen : seen + piece.height]]
        matrix[filled : filled + len(values)] = values
        seen, filled = seen + piece.height, filled + len(values)
    return matrix
