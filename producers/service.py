"""A producer as a whole: a source is chosen, a run is planned, history or live data are published."""

from producers.arguments import Arguments
from producers.cursor import Cursor, Place, cursor_path
from producers.delivery import Delivery, StoppedError
from producers.history import Job, publish_history
from producers.live import LiveLoop, LiveMark
from producers.offer import MACRO, Live, Offer
from producers.publishing import Publisher, Route, Stamp
from producers.reporting import reporter_of
from producers.runs import RunHistory, history_of, plan_run
from producers.settings import ProducerSettings
from producers.sources import offer_of
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, RUNS, TopicContract, with_macro_named
from shared.contracts.topics import MACRO as MACRO_TOPIC
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.runtime.service import STOPPED, Runtime
from shared.settings import KafkaSettings


def publish(runtime: Runtime, arguments: Arguments) -> int:
    """Publish what the arguments ask for; return the exit code.

    Raises:
        ConfigurationError: an option or setting is missing or wrong.
        ContractError: a topic is not there.
        TransientError: Kafka or the source did not answer within the bounds of patience.
    """
    try:
        return _publish(runtime, arguments)
    except StoppedError:
        return STOPPED  # asked to stop while Kafka was away


def _publish(runtime: Runtime, arguments: Arguments) -> int:
    offer = offer_of(arguments)
    kafka = KafkaSettings.load()
    if not arguments.live or offer.live is None:
        return _publish_history(runtime, arguments, offer, kafka)
    return _publish_live(runtime, arguments, offer.live(arguments, runtime.clock), kafka, offer)


def _publish_history(runtime: Runtime, arguments: Arguments, offer: Offer, kafka: KafkaSettings) -> int:
    source = offer.history(arguments, runtime.clock)
    topics = offer.named_topics(kafka)
    plan = plan_run({arguments.producer: source}, topics, arguments.run_id)
    admin = KafkaAdmin(kafka, runtime.name)
    path = cursor_path(runtime.settings.tickerstream_home, plan.run_id, arguments.producer)
    cursor = Cursor(path, plan.run_id, plan.identity, _place(admin, topics))
    runtime.resources.callback(cursor.close)
    history = history_of(plan.run_id, read_topic(kafka, RUNS.name))
    if not _still_there(history, topics, admin):
        history = RunHistory(history.attempt, {})
    delivery = _delivery(runtime, kafka)
    stamp = Stamp(runtime.name, source.name, source.simulated, plan.run_id)
    route = Route(BARS_HISTORY, _macro_topic(kafka), topics[0])
    return publish_history(
        Job(
            runtime=runtime,
            source=source,
            plan=plan,
            own=arguments.run_id is None,
            topics=topics,
            cursor=cursor,
            history=history,
            publisher=Publisher(delivery.send, stamp, route, runtime.clock),
            delivery=delivery,
            reporter=reporter_of(arguments.json, runtime.clock),
        ),
        arguments.again,
    )


def _publish_live(runtime: Runtime, arguments: Arguments, live: Live, kafka: KafkaSettings, offer: Offer) -> int:
    topics = tuple(kafka.topic_macro if name == MACRO else name for name in offer.live_topics)
    delivery = _delivery(runtime, kafka)
    path = cursor_path(runtime.settings.tickerstream_home, f"live-{arguments.source}", arguments.producer)
    mark = LiveMark(path, live.identity, _place(KafkaAdmin(kafka, runtime.name), topics))
    if arguments.again:
        mark.forget()
    source = live.make(mark.read())
    stamp = Stamp(runtime.name, source.name, source.simulated, None)
    route = Route(BARS_LIVE, _macro_topic(kafka), BARS_LIVE.name)
    publisher = Publisher(delivery.send, stamp, route, runtime.clock)
    reporter = reporter_of(arguments.json, runtime.clock)
    return LiveLoop(runtime, publisher, delivery, mark, reporter, told=live.told).run(source)


def _delivery(runtime: Runtime, kafka: KafkaSettings) -> Delivery:
    writer = runtime.resources.enter_context(KafkaWriter(kafka, runtime.name, queue_mib=32))
    return Delivery(writer, runtime, ProducerSettings.load().producer_delivery_seconds)


def _place(admin: KafkaAdmin, topics: tuple[str, ...]) -> Place:
    return Place(admin.cluster_id(), {name: admin.topic_id(name) for name in topics})


def _macro_topic(kafka: KafkaSettings) -> TopicContract:
    return next(t for t in with_macro_named(kafka.topic_macro) if t.schema == MACRO_TOPIC.schema)


def _still_there(history: RunHistory, topics: tuple[str, ...], admin: KafkaAdmin) -> bool:
    """Return whether what was confirmed can still be in the topics: one made anew ends before it."""
    for name in topics:
        if name in history.confirmed:
            ends = admin.end_offsets(name)
            if any(ends.get(p.partition, 0) < p.next_offset for p in history.confirmed[name].partitions):
                return False
    return True
