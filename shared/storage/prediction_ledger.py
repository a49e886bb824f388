"""The ledger of predictions in PostgreSQL: each once, by its id, as it was first served."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from shared.contracts.predictions import Prediction
from shared.storage.postgres import transaction

METADATA: Final = MetaData()
PREDICTIONS: Final = Table(
    "predictions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("ticker", String(32), nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("horizon_minutes", Integer, nullable=False),
    Column("close", Double, nullable=False),
    Column("expected_return", Double, nullable=False),
    Column("probability_up", Double),
    Column("leads", String(10), nullable=False),
    Column("feature_set", String(64), nullable=False),
    Column("row_hash", String(32), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("replayed", Boolean, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("document", JSONB, nullable=False),
    Index("predictions_by_ticker", "ticker", "as_of"),
)
_OWN: Final = tuple(column.name for column in PREDICTIONS.columns if column.name != "document")


class PredictionLedger:
    """Keeps and finds predictions.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, predictions: Sequence[Prediction]) -> int:
        """Keep predictions and return how many are new. One that is there already is kept as it was first made.

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        earliest: dict[str, Prediction] = {}
        for one in predictions:
            if one.id not in earliest or one.made_at < earliest[one.id].made_at:
                earliest[one.id] = one
        if not earliest:
            return 0
        rows = insert(PREDICTIONS).values([_row(one) for one in earliest.values()])
        given = {name: rows.excluded[name] for name in (*_OWN, "document") if name != "id"}
        first = rows.on_conflict_do_update(
            index_elements=["id"], set_=given, where=rows.excluded.made_at < PREDICTIONS.c.made_at
        )
        with transaction(self._engine) as connection:
            before = connection.execute(select(func.count()).where(PREDICTIONS.c.id.in_(earliest))).scalar_one()
            connection.execute(first)
        return len(earliest) - int(before)

    def at(self, ticker: str, as_of: datetime) -> Prediction | None:
        """Return the newest prediction of a ticker whose row is as of no later than `as_of` (aware).

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        query = (
            select(PREDICTIONS.c.document)
            .where(PREDICTIONS.c.ticker == ticker, PREDICTIONS.c.as_of <= as_of)
            .order_by(PREDICTIONS.c.as_of.desc(), PREDICTIONS.c.made_at.desc())
            .limit(1)
        )
        with transaction(self._engine) as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else Prediction.model_validate(found)

    def newest(self, ticker: str, limit: int) -> list[Prediction]:
        """Return the last predictions of a ticker, oldest first.

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        query = (
            select(PREDICTIONS.c.document)
            .where(PREDICTIONS.c.ticker == ticker)
            .order_by(PREDICTIONS.c.as_of.desc(), PREDICTIONS.c.made_at.desc())
            .limit(limit)
        )
        with transaction(self._engine) as connection:
            found = connection.execute(query).scalars().all()
        return [Prediction.model_validate(one) for one in reversed(found)]

    def count(self) -> int:
        """Return how many predictions there are.

        Raises:
            TransientError: PostgreSQL does not answer.
        """
        with transaction(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(PREDICTIONS)).scalar_one())


def _row(prediction: Prediction) -> dict[str, object]:
    return {
        **{name: getattr(prediction, name) for name in _OWN},
        "document": prediction.model_dump(mode="json"),
    }
