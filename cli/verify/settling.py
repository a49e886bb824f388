"""What is still on its way: a comparison of live services waits until all that was sent before it has arrived."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cli.pipeline.landing import group_of
from cli.pipeline.patience import Patience
from cli.progress import Line
from shared.clock import Clock
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS
from shared.errors import TransientError
from shared.kafka.admin import KafkaAdmin
from shared.ports import TopicPartition
from shared.settings import KafkaSettings
from shared.storage.offsets import OffsetStore

MARGIN: Final = timedelta(seconds=5)
"""Records are stamped by their producers: the ends of topics are read so long after an instant that all stamped before
it lie before them."""
LOOK_SECONDS: Final = 0.5
STALL_SECONDS: Final = 180.0


class Settling:
    """Waits for the lake and the aggregator.

    Args:
        kafka: Whose topics feed both.
        offsets: Of the aggregator.
        remakes: Returns how many rows are still to be remade.
        clock: What records are stamped by.
    """

    def __init__(self, kafka: KafkaSettings, offsets: OffsetStore, remakes: Callable[[], int], clock: Clock) -> None:
        self._topics = (BARS_HISTORY.name, BARS_LIVE.name, CORPORATE_ACTIONS.name, FILINGS.name, kafka.topic_macro)
        self._admin = KafkaAdmin(kafka, "tickerstream-settling")
        self._offsets = offsets
        self._remakes = remakes
        self._clock = clock

    def wait(self, line: Line) -> datetime:
        """Wait until every record that is in the topics by now is in the lake, and stored by the aggregator.

        Returns:
            The instant up to which both know all that was sent.

        Raises:
            TransientError: nothing moved for STALL_SECONDS.
        """
        patiently = Patience(line.board)
        until = self._clock.now()
        line.update(0, None, "what was sent until now")
        time.sleep(MARGIN.total_seconds())
        ends = patiently(self._ends)
        total = patiently(lambda: self._left(ends))
        least, since = total, time.monotonic()
        while left := patiently(lambda: self._left(ends)):
            line.update(total - left, total, "on their way to the lake or the feature table")
            if left < least:
                least, since = left, time.monotonic()
            if time.monotonic() - since > STALL_SECONDS:
                raise TransientError(
                    f"{left:,} records do not arrive in the lake and the feature table; see `tickerstream status`."
                )
            time.sleep(LOOK_SECONDS)
        line.finish(total)
        return until

    def _ends(self) -> dict[TopicPartition, int]:
        return {(t, p): end for t in self._topics for p, end in self._admin.end_offsets(t).items() if end}

    def _left(self, ends: dict[TopicPartition, int]) -> int:
        """Return how many records the lake or the aggregator has not yet, and how many rows are to be remade."""
        landed: dict[TopicPartition, int] = {}
        for group in sorted({group_of(topic) for topic, _ in ends}):
            landed |= self._admin.committed(group, [topic for topic, _ in ends if group_of(topic) == group])
        stored = self._offsets.positions()
        behind = (end - min(landed.get(slot, 0), stored.get(slot, 0)) for slot, end in ends.items())
        return self._remakes() + sum(max(0, records) for records in behind)
