"""Rounds of kill-and-compare: each makes a world of its own, kills while work is in flight, and compares."""

import random
import signal
from collections.abc import Callable
from typing import Final

from shared.testing.eventually import eventually
from tests.torture.harness import PATIENCE, Process, Torture, World, is_stopped

PRODUCER_FAILPOINTS: Final = (
    "producers.stock.after_send=kill@1",
    "producers.stock.after_send=kill@2",
    "producers.stock.after_send=kill@4",
    "producers.stock.after_send=kill@6",
    "producers.stock.after_cursor=kill@1",
    "producers.stock.before_confirm=kill@1",
)
CONSUMER_FAILPOINTS: Final = (
    "consumers.stock.before_flush=kill@1",
    "consumers.stock.inside_merge=kill@1",
    "consumers.stock.inside_merge=kill@2",
    "consumers.stock.inside_merge=kill@3",
    "consumers.stock.after_write=kill@1",
    "consumers.stock.before_commit=kill@1",
    "consumers.stock.after_commit=kill@1",
)


def land(ours: Torture, world: World) -> None:
    """Let another consumer land what is left of a world, and compare."""
    consumer = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    ours.end(consumer)


def kill_at_random(ours: Torture, seed: int) -> None:
    """Kill producer and consumer once each at random moments with work in flight."""
    chance = random.Random(seed)
    world = ours.new_world(tickers=4, sessions=20)
    before_sent, before_objects = ours.sent(), ours.objects()
    messages = 4 * 4  # at least: four tickers, four ISO weeks
    producer, consumer = ours.producer(world), ours.consumer()
    at = chance.randrange(1, messages)
    eventually(lambda: ours.sent() > before_sent + at or producer.poll() is not None, seconds=PATIENCE)
    if producer.poll() is None:
        ours.kill(producer)
    at = chance.randrange(messages // 2)  # a producer that was killed early may not have sent so many
    eventually(lambda: ours.objects() > before_objects + at or ours.caught_up(), seconds=PATIENCE)
    ours.kill(consumer)
    ours.finished(ours.producer(world))
    land(ours, world)


def kill_producer(ours: Torture, failpoint: str) -> None:
    """Kill a producer at a failpoint; another one resumes its run."""
    world = ours.new_world()
    ours.died_at_failpoint(ours.producer(world, failpoint))
    ours.finished(ours.producer(world))
    land(ours, world)


def kill_consumer(ours: Torture, failpoint: str) -> None:
    """Kill a consumer at a failpoint; another one goes on."""
    world = ours.new_world()
    ours.finished(ours.producer(world))
    ours.died_at_failpoint(ours.consumer(failpoint))
    land(ours, world)


def stop_consumer(ours: Torture) -> None:
    """Stop a consumer past its session while another takes over, then let it go on."""
    world = ours.new_world(tickers=4, sessions=20)
    ours.finished(ours.producer(world))
    sleeper = ours.consumer("consumers.stock.before_commit=stop@1")
    eventually(lambda: is_stopped(sleeper.pid), seconds=PATIENCE)
    ours.kills += 1
    second = ours.consumer()
    ours.wait_landed(world)
    ours.compare(world)
    sleeper.send_signal(signal.SIGCONT)
    later = ours.new_world()
    ours.finished(ours.producer(later))
    ours.wait_landed(later)
    ours.compare(world)
    ours.compare(later)
    ours.end(second)
    ours.end(sleeper)


def kill_broker(ours: Torture, share: float) -> None:
    """Kill the broker when this share of the messages is sent, with producer and consumer at work."""
    world = ours.new_world(tickers=6, sessions=35)
    before = ours.sent()
    producer, consumer = ours.producer(world), ours.consumer()
    messages = 6 * 7
    eventually(lambda: ours.sent() >= before + share * messages or producer.poll() is not None, seconds=PATIENCE)
    ours.kafka.kill()
    ours.kills += 1
    recover(ours, world, producer, consumer)


def kill_broker_for_long(ours: Torture) -> None:
    """Kill the broker with a consumer at work, and keep it away until that consumer's session is over."""
    world = ours.new_world(tickers=6, sessions=35)
    before = ours.objects()
    producer, consumer = ours.producer(world), ours.consumer()
    eventually(lambda: ours.objects() > before, seconds=PATIENCE)
    ours.kafka.kill()
    ours.kills += 1
    eventually(lambda: "session is over" in ours.log(consumer), seconds=PATIENCE)
    recover(ours, world, producer, consumer)


def recover(ours: Torture, world: World, producer: Process, consumer: Process) -> None:
    """Start the broker again, let the services go on, and compare."""
    ours.kafka.start()
    ours.kafka.wait_healthy()
    if producer.wait(PATIENCE) != 0:  # a producer that gave up waiting is started again, as a supervisor would
        ours.finished(ours.producer(world))
    consumer = ours.wait_recovered(world, consumer)
    ours.compare(world)
    ours.end(consumer)


def any_round(ours: Torture, seed: int) -> str:
    """Do the round that follows from `seed`: half of the rounds at random moments, the others at chosen ones.

    Returns:
        What was done.
    """
    chance = random.Random(seed)
    failpoint = chance.choice((*PRODUCER_FAILPOINTS, *CONSUMER_FAILPOINTS))
    share = chance.uniform(0.1, 0.8)
    at_failpoint = kill_producer if failpoint in PRODUCER_FAILPOINTS else kill_consumer
    chosen: dict[str, Callable[[], None]] = {
        failpoint: lambda: at_failpoint(ours, failpoint),
        f"broker at {share:.0%}": lambda: kill_broker(ours, share),
        "broker away past the session": lambda: kill_broker_for_long(ours),
        "consumer stopped past its session": lambda: stop_consumer(ours),
    }
    done = "producer and consumer at random"
    if chance.random() < 0.5:
        kill_at_random(ours, seed)
    else:
        done = chance.choices(list(chosen), weights=(3, 1, 1, 1))[0]
        chosen[done]()
    return done
