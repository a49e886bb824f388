"""The ledger of predictions: what the predictor served, from Kafka into PostgreSQL, each prediction once."""

from typing import Final

from consumers.settings import ConsumerSettings
from shared.contracts.predictions import Prediction
from shared.contracts.topics import PREDICTIONS
from shared.errors import PoisonMessageError
from shared.kafka.consumer import KafkaReader
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.ports import Record
from shared.runtime.failpoints import failpoint
from shared.runtime.loops import CommitPolicy, ConsumeLoop, Handled
from shared.runtime.service import Runtime
from shared.settings import KafkaSettings, PostgresSettings
from shared.storage.postgres import make_engine
from shared.storage.prediction_ledger import PredictionLedger

GROUP: Final = "ledger-predictions"


class LedgerHandler:
    """A Handler whose effect is rows of the ledger; repeating it changes nothing.

    Args:
        ledger: Where they are kept.
        service: For the failpoint `<service>.after_write`, when rows are durable and no offset is committed.
    """

    def __init__(self, ledger: PredictionLedger, service: str) -> None:
        self._ledger = ledger
        self._service = service
        self._waiting: list[Prediction] = []

    def handle(self, record: Record) -> Handled:
        """Decode a prediction and keep it in memory."""
        prediction = Prediction.decode(record.value)
        if record.key != prediction.ticker.encode():
            raise PoisonMessageError(
                f"the key is {record.key!r}, the prediction is of {prediction.ticker}", "wrong_key"
            )
        self._waiting.append(prediction)
        return Handled(1)

    def flush(self) -> None:
        """Put what waits into the ledger."""
        self._ledger.add(self._waiting)
        self._waiting.clear()
        failpoint(f"{self._service}.after_write")

    def discard(self) -> None:
        """Forget what is not yet in the ledger."""
        self._waiting.clear()

    @property
    def pending_rows(self) -> int:
        """Return how many predictions wait."""
        return len(self._waiting)

    @property
    def flush_when_idle(self) -> bool:
        """Return true: a prediction is wanted in the ledger soon."""
        return True


def keep_ledger(runtime: Runtime) -> None:
    """Keep the ledger until stopped.

    Raises:
        ConfigurationError: a setting is wrong, or the schema is not there.
        ContractError: a record is newer than this release.
    """
    engine = make_engine(PostgresSettings.load())
    runtime.resources.callback(engine.dispose)
    share = ConsumerSettings.load().reject_share_max
    ledger_loop(runtime, KafkaSettings.load(), PredictionLedger(engine), share).run()


def ledger_loop(
    runtime: Runtime,
    kafka: KafkaSettings,
    ledger: PredictionLedger,
    reject_share_max: float,
    topic: str = PREDICTIONS.name,
    group: str = GROUP,
) -> ConsumeLoop:
    """Return the loop, ready to run."""
    policy = CommitPolicy(max_rows=2_000, max_seconds=2.0, reject_share_max=reject_share_max, idle_seconds=0.25)
    reader = runtime.resources.enter_context(KafkaReader(kafka, group, (topic,), runtime.name))
    writer = runtime.resources.enter_context(KafkaWriter(kafka, runtime.name))
    dead_letters = DeadLetters(writer, runtime.name, runtime.clock)
    return ConsumeLoop(reader, LedgerHandler(ledger, runtime.name), dead_letters, writer, policy, runtime)
