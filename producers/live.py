"""Publishing live data: what becomes known goes out at once, and is confirmed at least every second."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from producers.cursor import Place
from producers.delivery import Delivery, StoppedError
from producers.inflight import UnitInFlight
from producers.publishing import Publisher
from producers.reporting import Reporter
from producers.source import Advanced, Bars, Fact, Item, LiveSource, Note, Reached, Unit
from producers.tally import Tally
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.messages import Instant
from shared.runtime.failpoints import failpoint
from shared.runtime.service import STOPPED, Runtime

FLUSH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Mark:
    identity: str
    place: Place
    known_until: Instant


_MARK: Final = TypeAdapter(_Mark)


class LiveMark:
    """Up to when everything known was delivered, on disk; a restarted stream goes on from there.

    Args:
        path: Its file.
        identity: What tells this stream from another; of another, or of topics that are gone, it knows nothing.
        place: The broker and topics as they are now.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], place: Place) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        canonical = json.dumps(identity, sort_keys=True, default=str)
        self._identity = hashlib.sha256(canonical.encode()).hexdigest()
        self._place = place

    def read(self) -> datetime | None:
        """Return the instant (aware), or None."""
        try:
            mark = _MARK.validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return mark.known_until if (mark.identity, mark.place) == (self._identity, self._place) else None

    def forget(self) -> None:
        """Let the stream begin anew, also for whoever resumes it before anything is marked."""
        self._path.unlink(missing_ok=True)

    def write(self, known_until: datetime) -> None:
        """Replace it whole. After power loss an older one may stand there: items are repeated then, none is lost."""
        beside = self._path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(_MARK.dump_json(_Mark(self._identity, self._place, known_until)))
        beside.replace(self._path)


class LiveLoop:
    """Reads a live source until told to stop.

    Args:
        runtime: Clock, stop flag, heartbeat.
        publisher: Turns items into records.
        delivery: Sends them.
        mark: Where it keeps how far it is.
        reporter: Who listens.
        told: Whether the source tells itself how far it is (Reached); else the greatest known time tells it.
    """

    def __init__(
        self,
        runtime: Runtime,
        publisher: Publisher,
        delivery: Delivery,
        mark: LiveMark,
        reporter: Reporter,
        *,
        told: bool = False,
    ) -> None:
        self._runtime = runtime
        self._publisher = publisher
        self._delivery = delivery
        self._mark = mark
        self._reporter = reporter
        self._told = told
        self._flight = UnitInFlight(Unit("live", 0), lambda _: None)
        self._known: datetime | None = None
        self._marked: datetime | None = None
        self._next_flush = 0.0

    def run(self, source: LiveSource) -> int:
        """Stream until stopped; return the exit code.

        Raises:
            TransientError: the source or Kafka did not answer within the bounds of patience.
        """
        self._runtime.heartbeat.beat("running", "live")
        try:
            for batch in source.stream(self._runtime.stopping):
                self._publish(batch)
                if self._runtime.clock.monotonic() >= self._next_flush:
                    self._flush()
            self._flush()
        except StoppedError:
            pass
        tally = self._flight.tally
        self._reporter.end("stopped", {"rows": tally.rows}, f"stopped: {tally.rows:,} rows read")
        return STOPPED

    def _publish(self, batch: Sequence[Item]) -> None:
        for item in batch:
            if isinstance(item, Note):
                self._reporter.line("note", item.origin, item.text)
            elif isinstance(item, Reached):
                self._known = item.at
            elif not isinstance(item, Advanced):
                self._publisher.publish(item, self._flight)
                known = None if self._told else known_at(item)
                if known is not None:
                    self._known = known if self._known is None else max(self._known, known)

    def _flush(self) -> None:
        """Confirm everything sent, and only then note how far the stream is."""
        self._delivery.flush()
        failpoint(f"{self._runtime.name}.before_mark")
        if self._known is not None and self._known != self._marked:
            self._mark.write(self._known)
            self._marked = self._known
        self._runtime.heartbeat.beat("running", self._detail(), _counters(self._flight.tally))
        self._next_flush = self._runtime.clock.monotonic() + FLUSH_SECONDS

    def _detail(self) -> str:
        return "live" if self._known is None else f"live, known until {self._known:%Y-%m-%d %H:%M:%S} UTC"


def known_at(item: Item) -> datetime | None:
    """Return the greatest instant at which something in the item became known, aware; None for a refused one."""
    if isinstance(item, Bars):
        newest = item.frame["known_at"].max()
        return newest if isinstance(newest, datetime) else None
    if isinstance(item, Fact):
        match item.message:
            case CorporateAction():
                return item.message.known_at
            case MacroVintage():
                return item.message.released_at
            case Filing():
                return item.message.filed_at
    return None


def _counters(tally: Tally) -> dict[str, int]:
    topics = tally.topics.values()
    return {
        "rows": sum(t.published for t in topics),
        "records": sum(t.records for t in topics),
        "dead_letters": sum(t.rejected for t in topics),
    }
