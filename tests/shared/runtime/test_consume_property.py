"""Whatever happens to a group, in any order: nothing is lost, and nothing is committed before it is durable."""

from dataclasses import dataclass, field, replace
from typing import assert_never

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.contracts.dead_letters import TOPIC as DEAD
from shared.errors import TransientError
from shared.testing.memory_kafka import MemoryBroker, MemoryReader, MemoryWriter
from tests.shared.runtime.parts import EAGER, Member, Sink, ends, fill, letters

TOPIC, GROUP = "numbers", "sink"
POLICY = replace(
    EAGER, max_rows=7, retry_seconds=0.001, retry_max_seconds=0.001, revoke_seconds=0.002, poll_seconds=0.001
)
DOWN = TransientError("down")


@dataclass(frozen=True)
class Run:
    """A member works for a while."""

    member: int
    count: int


@dataclass(frozen=True)
class Expire:
    """A member's session runs out without its knowing."""

    member: int


@dataclass(frozen=True)
class Die:
    """A member is killed: a new process takes its place, with nothing of what it had."""

    member: int


@dataclass(frozen=True)
class Fault:
    """A member's store goes down for handling, for flushing, or comes back."""

    member: int
    handling: bool
    flushing: bool


@dataclass(frozen=True)
class Outage:
    """The broker stops taking commits and dead letters, or takes them again."""

    available: bool


Step = Run | Expire | Die | Fault | Outage
MEMBERS = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.builds(Run, MEMBERS, st.integers(1, 30)),
        st.builds(Run, MEMBERS, st.integers(1, 30)),
        st.builds(Expire, MEMBERS),
        st.builds(Die, MEMBERS),
        st.builds(Fault, MEMBERS, st.booleans(), st.booleans()),
        st.builds(Outage, st.booleans()),
    ),
    max_size=25,
)


@dataclass
class World:
    """A broker, three places for members, and all sinks that ever were."""

    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker({TOPIC: 4, DEAD: 1}, SystemClock()))
    sinks: list[Sink] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)

    def join(self) -> Member:
        sink = Sink()
        self.sinks.append(sink)
        reader = MemoryReader(self.broker, GROUP, [TOPIC], batch_records=5)
        return Member(reader, MemoryWriter(self.broker), sink, POLICY)

    def run(self, member: Member, count: int) -> None:
        try:
            member.loop.run(count=count, timeout=0.006)
        except TransientError:
            self.die(self.members.index(member))

    def die(self, number: int) -> None:
        reader = self.members[number].reader
        assert isinstance(reader, MemoryReader)
        reader.expire()
        self.members[number] = self.join()

    def act(self, step: Step) -> None:
        match step:
            case Run(number, count):
                self.run(self.members[number], count)
            case Expire(number):
                reader = self.members[number].reader
                assert isinstance(reader, MemoryReader)
                reader.expire()
            case Die(number):
                self.die(number)
            case Fault(number, handling, flushing):
                sink = self.members[number].sink
                sink.handle_fault = DOWN if handling else None
                sink.flush_fault = DOWN if flushing else None
            case Outage(available):
                self.broker.available = available
            case _:
                assert_never(step)

    def check(self) -> None:
        """Every record before a committed offset is durable, as an effect or as a dead letter."""
        durable = {record.position for sink in self.sinks for record in sink.durable}
        refused = {(one.partition, one.offset) for one in letters(self.broker)}
        for (_, partition), offset in self.broker.committed(GROUP).items():
            for record in self.broker.topics[TOPIC].logs[partition].records[:offset]:
                assert record is not None
                assert record.position in durable or (partition, record.position.offset) in refused


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_any_order_of_faults_loses_nothing_and_commits_only_what_is_durable(steps: list[Step]) -> None:
    world = World()
    fill(world.broker, TOPIC, [str(n) if n % 9 else f"junk{n}" for n in range(80)])
    world.members = [world.join() for _ in range(3)]
    for step in steps:
        world.act(step)
        world.check()
    world.broker.available = True
    for number in range(3):
        world.die(number)
    rounds = 0
    while world.broker.committed(GROUP) != ends(world.broker, TOPIC) and rounds < 40:
        rounds += 1
        for member in world.members:
            world.run(member, 50)
            world.check()

    assert world.broker.committed(GROUP) == ends(world.broker, TOPIC)
