"""Asking the aggregator for the rows of every bar in the lake, and waiting for them."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cli.pipeline.patience import Patience
from cli.progress import Line
from cli.settings import Connection
from cli.verify.lake_objects import LakeFiles
from shared.contracts.lake import STOCK
from shared.contracts.topics import BARS_HISTORY
from shared.contracts.weeks import IsoWeek
from shared.errors import ConfigurationError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.partitioner import partition_of
from shared.storage.database import Engine
from shared.storage.postgres import transaction
from shared.storage.remakes import REBUILD, Remake, RemakeQueue

LOOK_SECONDS: Final = 0.5
STALL_SECONDS: Final = 300.0
_OBJECT: Final = re.compile(r"^([^/]+)/.*_(\d{4})-W(\d{2})\.parquet$")


class Rebuild:
    """One rebuild.

    Args:
        engine: PostgreSQL, where the requests are filed.
        system: Where lake and topics are.
        feature_set: What is made; for the requests' keys.
        now: Likewise: a later rebuild is another one.
    """

    def __init__(self, engine: Engine, system: Connection, feature_set: str, now: datetime) -> None:
        self._engine = engine
        self._system = system
        self._prefix = f"{REBUILD}/{feature_set}/{now.isoformat()}/"
        self._queue = RemakeQueue()

    def run(self, tickers: tuple[str, ...], line: Line) -> int:
        """File a request for each ticker-week of the lake, and wait until all are done; return how many.

        Raises:
            ConfigurationError: the lake has no bars, or none of a ticker.
            TransientError: the aggregator does none for STALL_SECONDS.
        """
        wishes = list(self._wishes(frozenset(tickers)))
        if unknown := sorted(set(tickers) - {wish.ticker for wish in wishes}):
            raise ConfigurationError(f"The lake has no bars of {unknown[0]}; see `tickerstream lake ls stock-data`.")
        if not wishes:
            raise ConfigurationError(
                "The lake has no bars; `tickerstream demo` or `tickerstream backfill` brings some."
            )
        with transaction(self._engine) as connection:
            self._queue.add(connection, wishes)
        self._wait(len(wishes), line)
        return len(wishes)

    def _wishes(self, tickers: frozenset[str]) -> Iterator[Remake]:
        partitions = len(KafkaAdmin(self._system.kafka, "tickerstream-rebuild").end_offsets(BARS_HISTORY.name))
        for listed in LakeFiles(self._system.lake).objects(STOCK.bucket):
            if (found := _OBJECT.match(listed.name)) and (not tickers or found[1] in tickers):
                week = IsoWeek(int(found[2]), int(found[3]))
                # As of the week's start: everything that became known of it since is made again.
                unique = f"{self._prefix}{found[1]}/{week}"
                partition = partition_of(found[1].encode(), partitions)
                yield Remake(partition, found[1], week.start, week.start, REBUILD, unique)

    def _wait(self, filed: int, line: Line) -> None:
        seen, since = filed, time.monotonic()
        patiently = Patience(line.board)
        while True:
            left = patiently(self._left)
            line.update(filed - left, filed, "")
            if not left:
                line.finish(filed)
                return
            if left != seen:
                seen, since = left, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise TransientError(
                    f"the aggregator has made no week anew for {STALL_SECONDS:g} s, {left:,} to go; "
                    "see `tickerstream status` and `tickerstream logs aggregator`."
                )
            time.sleep(LOOK_SECONDS)

    def _left(self) -> int:
        with transaction(self._engine) as connection:
            return self._queue.left(connection, self._prefix)
