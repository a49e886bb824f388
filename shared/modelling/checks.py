"""A check on labels that shares no code with them: looked up bar by bar, it notices one that is shifted."""

from datetime import timedelta

import numpy as np
import polars as pl

from shared.errors import ContractError

CHECKED_ROWS = 200


def check_labels(bars: pl.DataFrame, labelled: pl.DataFrame, horizon_minutes: int, seed: int) -> None:
    """Compare a random sample of labels with the closes that they must span.

    Args:
        bars: timestamp (bar start, UTC) and close, one row a minute bar.
        labelled: `labels` of the same rows.
        horizon_minutes: Of the labels.
        seed: Of the sample.

    Raises:
        ContractError: a label is not the return from its bar's close to the close `horizon_minutes` later.
    """
    there = np.flatnonzero(labelled["label"].is_not_null().to_numpy())
    if not len(there):
        return
    chosen = np.random.default_rng(seed).choice(there, min(CHECKED_ROWS, len(there)), replace=False)
    begin = bars[chosen].select("timestamp", begin="close", label=labelled["label"][chosen])
    wanted = begin.select(timestamp=pl.col("timestamp") + timedelta(minutes=horizon_minutes))
    end = wanted.join(bars.select("timestamp", "close"), on="timestamp", how="left", maintain_order="left")["close"]
    truth = end / begin["begin"] - 1.0
    wrong = ((truth - begin["label"]).abs() > 1e-9).fill_null(True)
    if wrong.any():
        at = begin.filter(wrong)["timestamp"][0]
        raise ContractError(
            f"the label of the bar at {at:%Y-%m-%d %H:%M} UTC is not its return over the next {horizon_minutes}"
            " minutes: labels are shifted against bars. No model is made; this is a defect, please report it."
        )
