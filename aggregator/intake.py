"""Sorts what was read into what may be handled now and what has to wait for its run's slow facts."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from aggregator.batch import Incoming, slot_of
from aggregator.gate import RunGate
from aggregator.runs import Event
from aggregator.topics import Inputs
from shared.contracts.runs import TopicConfirmed, decode_run_event
from shared.errors import ContractError, PoisonMessageError
from shared.kafka.dead_letters import DeadLetters
from shared.ports import Record, TopicPartition

Check = Callable[[Record], None]
"""Lets a record pass whose partition and schema are right; raises PoisonMessageError for another one."""


class Intake:
    """Takes records. Those that wait are kept, at most as many as one poll returns, while their partitions are held.

    What is refused is passed over: the lake's consumers, which read the same topics, set it aside as dead letters. Of
    the runs' topic nobody else does.

    Args:
        inputs: The topics.
        gate: Which bars wait.
        check: What is checked of every record.
        dead_letters: For refused run events.
        topic_id: Tells Kafka's id of a topic.
    """

    def __init__(
        self, inputs: Inputs, gate: RunGate, check: Check, dead_letters: DeadLetters, topic_id: Callable[[str], str]
    ) -> None:
        self._inputs = inputs
        self._gate = gate
        self._check = check
        self._dead_letters = dead_letters
        self._topic_id = topic_id
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self.poisoned = 0
        self.reason = ""
        """Why something waits; empty if nothing does."""

    @property
    def held(self) -> frozenset[TopicPartition]:
        """Return the partitions of which nothing may be read for now."""
        return frozenset(self._waiting)

    def facts(self, records: Iterable[Record]) -> Incoming:
        """Return the slow facts and run events among the records."""
        incoming = Incoming()
        for record in records:
            topic = record.position.topic
            if topic == self._inputs.runs:
                self._take_event(record, incoming)
            elif topic in self._inputs.facts:
                self._take(record, incoming, lambda r: incoming.add_fact(r, self._inputs))
        return incoming

    def bars(self, records: Iterable[Record], inactive: Collection[str]) -> Incoming:
        """Return the bars that may be handled now: of the records, and of those that waited.

        Args:
            records: As they were read.
            inactive: Tickers whose live bars make no rows.
        """
        for record in records:
            if record.position.topic in self._inputs.bars:
                self._waiting.setdefault(slot_of(record), deque()).append(record)
        incoming, self.reason = Incoming(), ""
        for slot in list(self._waiting):
            skipped = inactive if slot[0] == self._inputs.live else ()
            self._pass_through(slot, incoming, skipped)
        return incoming

    def forget(self) -> None:
        """Forget what waits: it will be read again by whoever owns it."""
        self._waiting.clear()
        self.reason = ""

    def _pass_through(self, slot: TopicPartition, incoming: Incoming, skipped: Collection[str]) -> None:
        queue = self._waiting[slot]
        while queue:
            reason = self._gate.waits(queue[0])
            if reason:
                self.reason = reason
                return
            self._take(queue.popleft(), incoming, lambda r: incoming.add_bars(r, skipped))
        del self._waiting[slot]

    def _take(self, record: Record, incoming: Incoming, take: Callable[[Record], None]) -> None:
        try:
            self._check(record)
            take(record)
        except PoisonMessageError:
            self.poisoned += 1
            incoming.pass_over(record)

    def _take_event(self, record: Record, incoming: Incoming) -> None:
        try:
            self._check(record)
            incoming.add_event(record, self._readable(record))
        except PoisonMessageError as error:
            self.poisoned += 1
            self._dead_letters.refuse(record, error)
            incoming.pass_over(record)

    def _readable(self, record: Record) -> Event:
        event = decode_run_event(record.value)
        if isinstance(event, TopicConfirmed):
            try:
                self._topic_id(event.topic)
            except ContractError as error:
                raise PoisonMessageError(f"a run confirms a topic that is not there: {error}", "bad_message") from error
        return event
