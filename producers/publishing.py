"""Items of a source to records in Kafka: validated, counted, refused rows to the dead letters."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from producers.inflight import UnitInFlight
from producers.source import Bars, Fact, Refused
from shared.clock import Clock
from shared.contracts.bars import MAX_ROWS_A_MESSAGE, encode_bars, fault_of_bar, split_valid
from shared.contracts.dead_letters import MAX_KEPT_BYTES, DeadLetter
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.messages import Message
from shared.contracts.topics import CORPORATE_ACTIONS, FILINGS, TopicContract
from shared.errors import ContractError
from shared.ports import Outgoing, Position
from shared.runtime.failpoints import failpoint

Send = Callable[[Outgoing, Callable[[Position], None] | None], None]


@dataclass(frozen=True, slots=True)
class Route:
    """Where things go.

    Attributes:
        bars: The topic of bars: history or live.
        macro: The macro topic, by its configured name.
        main: Name of the topic that refused rows are counted with.
    """

    bars: TopicContract
    macro: TopicContract
    main: str

    def of(self, message: Message) -> TopicContract:
        """Return the topic of a fact.

        Raises:
            ContractError: a source made something that no topic takes.
        """
        if isinstance(message, CorporateAction):
            return CORPORATE_ACTIONS
        if isinstance(message, MacroVintage):
            return self.macro
        if isinstance(message, Filing):
            return FILINGS
        raise ContractError(f"no topic takes a {type(message).__name__}. Mend the source.")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every record of a producer says about its origin; bars of a live producer belong to no run."""

    service: str
    source: str
    simulated: bool
    run_id: str | None

    def headers(self, contract: TopicContract, rows: int) -> dict[str, bytes]:
        """Return the headers of a record."""
        run = {} if self.run_id is None else {"run": self.run_id.encode()}
        return run | {
            "source": self.source.encode(),
            "simulated": b"1" if self.simulated else b"0",
            "rows": str(rows).encode(),
            "schema": contract.schema.encode(),
        }


class Publisher:
    """Sends the items of units.

    Args:
        send: Queues a record; its callback is called once the record is durable.
        stamp: Origin of all records.
        route: Where things go.
        clock: For dead letters.
    """

    def __init__(self, send: Send, stamp: Stamp, route: Route, clock: Clock) -> None:
        self._send = send
        self._stamp = stamp
        self._route = route
        self._clock = clock

    def publish(self, item: Bars | Fact | Refused, unit: UnitInFlight) -> None:
        """Send one item as a part of a unit.

        Raises:
            TransientError: Kafka takes nothing.
        """
        match item:
            case Bars():
                self._publish_bars(item, unit)
            case Fact():
                self._publish_fact(item, unit)
            case Refused():
                tally = unit.tally.topic(self._route.main)
                tally.read += item.rows
                tally.rejected += item.rows
                self._refuse(item, unit)

    def _publish_bars(self, item: Bars, unit: UnitInFlight) -> None:
        contract = self._route.bars
        tally = unit.tally.topic(contract.name)
        tally.read += item.frame.height + item.duplicates
        tally.duplicates += item.duplicates
        valid, refused = split_valid(item.frame)
        if refused.height:
            tally.rejected += refused.height
            self._refuse_rows(item, refused, unit)
        for part in valid.iter_slices(MAX_ROWS_A_MESSAGE):
            record = Outgoing(
                contract.name,
                str(part["ticker"][0]).encode(),
                encode_bars(part),
                self._stamp.headers(contract, part.height),
            )
            self._send(record, unit.expect(contract.name, part.height))
            failpoint(f"{self._stamp.service}.after_send")

    def _publish_fact(self, item: Fact, unit: UnitInFlight) -> None:
        contract = self._route.of(item.message)
        unit.tally.topic(contract.name).read += 1
        record = Outgoing(contract.name, item.key.encode(), item.message.encode(), self._stamp.headers(contract, 1))
        self._send(record, unit.expect(contract.name, 1))
        failpoint(f"{self._stamp.service}.after_send")

    def _refuse_rows(self, item: Bars, refused: pl.DataFrame, unit: UnitInFlight) -> None:
        """Send refused bars, each as JSON: how the source itself wrote them is not known here."""
        origin = item.origin or self._stamp.source
        for place, row in zip(self._places(item), refused.iter_rows(named=True), strict=True):
            reason = row.pop("reason")
            raw = json.dumps(row, default=str).encode()
            self._refuse(Refused(origin, place, raw, len(raw), reason, "bad_row"), unit)

    @staticmethod
    def _places(item: Bars) -> list[int]:
        """Return the row numbers of the refused bars; 0 where the source has none."""
        refused = item.frame.select(fault_of_bar().is_not_null()).to_series()
        numbers = item.rows if item.rows is not None else pl.Series([0]).new_from_index(0, item.frame.height)
        return [int(number) for number in numbers.filter(refused)]

    def _refuse(self, item: Refused, unit: UnitInFlight) -> None:
        letter = DeadLetter(
            item.origin,
            -1,
            item.row,
            item.error_class,
            item.reason,
            self._stamp.service,
            self._clock.now(),
            None,
            item.raw[:MAX_KEPT_BYTES],
            item.length,
            item.rows,
        )
        self._send(letter.to_record(), unit.expect(None, 0))
