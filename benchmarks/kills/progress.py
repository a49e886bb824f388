"""How far a demo is with the stage that it is in, beside what an undisturbed one did."""

import json
import time
from pathlib import Path
from typing import Any

import psycopg2

from infra.embedded.addresses import addresses
from infra.embedded.layout import Home

LOOK_SECONDS = 0.2


class StageProgress:
    """Says how far a stage is, 0 to 1: by objects in the lake, by the progress of training jobs, else by time.

    Args:
        home: The demo's home.
        undisturbed: The report of a demo that nobody disturbed.
        before: That demo's home.
    """

    def __init__(self, home: Home, undisturbed: dict[str, Any], before: Path) -> None:
        self._home = home
        self._before = before
        self._objects: int = undisturbed["lake_objects"]
        seconds = undisturbed["seconds"]
        self._features_seconds: float = seconds["verify"] + seconds["features"]
        self._stage = ""
        self._begun = self._looked = float("-inf")
        self._share = 0.0

    def share(self, stage: str) -> float:
        """Return how far the stage is; it never goes back."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._begun, self._looked, self._share = stage, now, float("-inf"), 0.0
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._share = max(self._share, self._look(stage, now - self._begun))
        return self._share

    def of_producer(self, kind: str) -> float:
        """Return which share of its units a producer has finished."""
        return _units(self._home.root, kind) / max(1, _units(self._before, kind))

    def _look(self, stage: str, seconds: float) -> float:
        if stage == "publish":
            return sum(1 for _ in self._home.lake.glob("stock-data/*/*/*/*.parquet")) / max(1, self._objects)
        return self._of_training() if stage == "train" else seconds / max(0.1, self._features_seconds)

    def _of_training(self) -> float:
        """Return the mean progress of the jobs; 0 while the database is away, killed by us for example."""
        where = addresses(self._home)
        try:
            connection = psycopg2.connect(
                host=where.postgres_host,
                port=where.postgres_port,
                dbname=where.postgres_db,
                user=where.postgres_user,
                password=where.postgres_password,
                connect_timeout=1,
            )
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute("SELECT coalesce(avg(progress), 0) FROM training_jobs")
                    row = cursor.fetchone()
                    return float(row[0]) if row else 0.0
            finally:
                connection.close()
        except psycopg2.Error:
            return 0.0


def _units(home: Path, kind: str) -> int:
    """Return how many units the cursors of a producer name as finished."""
    files = (home / "state" / "producers").glob(f"*.{kind}.json")
    return sum(len(json.loads(file.read_text(encoding="utf-8"))["units"]) for file in files)
