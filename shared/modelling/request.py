"""What is to be trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.modelling.kinds import Implementation
from shared.modelling.labels import SessionRule


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained from a ticker's rows.

    Attributes:
        ticker: Whose rows they are.
        feature_set: Of the rows.
        features: Columns that models are fed, in order.
        horizon_minutes: Of the label.
        session: Which bars get a label.
        seed: Of everything random.
        threads: To bin, fit and answer with; the models are the same with any number.
        forests: The library that grows them.
    """

    ticker: str
    feature_set: str
    features: Sequence[str]
    horizon_minutes: int = 5
    session: SessionRule = "regular"
    seed: int = 7
    threads: int = 1
    forests: Implementation = "lightgbm"
