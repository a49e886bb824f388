"""One-shot provisioning: topics, buckets, schema, feature columns, collections, and who may do what with them.

Doing it again changes nothing.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import TextIO

from pydantic import Field
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.access.steps import access_steps
from infra.migrations import migrate
from shared.contracts.lake import DATASETS
from shared.contracts.topics import with_macro_named
from shared.errors import ConfigurationError, ContractError, TransientError
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings, LakeSettings, MongoSettings, PostgresSettings, Settings
from shared.storage.documents import DocumentStore
from shared.storage.feature_tables import ensure_feature_set
from shared.storage.lake import open_store
from shared.storage.postgres import make_engine, transaction
from shared.storage.tickers import TickerRegistry

Step = Callable[[], Iterator[str]]


class ProvisionSettings(Settings):
    """How long provisioning waits for a server that does not answer yet."""

    provision_wait_seconds: float = Field(60.0, ge=0)


def topics() -> Iterator[str]:
    """Make the topics of the contracts; yield a line for each change."""
    settings = KafkaSettings.load()
    changes = KafkaAdmin(settings, "provision").provision(with_macro_named(settings.topic_macro))
    yield from changes or ["topics: as the contracts say"]


def buckets() -> Iterator[str]:
    """Make the lake's buckets, and prove that the store honours conditional writes."""
    settings = LakeSettings.load()
    store = open_store(settings)
    made = [dataset.bucket for dataset in DATASETS if store.ensure_bucket(dataset.bucket)]
    for dataset in DATASETS:
        store.probe(dataset.bucket)
    yield from (f"bucket {bucket}: made" for bucket in made)
    yield f"lake: {len(DATASETS)} buckets, conditional writes honoured"


def schema() -> Iterator[str]:
    """Migrate PostgreSQL, and seed the registry of tickers once."""
    engine = make_engine(PostgresSettings.load())
    try:
        before, after = migrate(engine)
        yield f"postgres: schema at {after}" + ("" if before == after else f" (was {before or 'empty'})")
        text = files("infra").joinpath("seed/tickers.csv").read_text(encoding="utf-8")
        seeded = TickerRegistry(engine).seed({row["ticker"]: row["name"] for row in csv.DictReader(text.splitlines())})
        yield f"tickers: {seeded} seeded" if seeded else "tickers: registry kept as it is"
    finally:
        engine.dispose()


def features() -> Iterator[str]:
    """Add the catalogue's columns and partitions to the feature table, and register its feature set."""
    engine = make_engine(PostgresSettings.load())
    try:
        with transaction(engine) as connection:
            changes = ensure_feature_set(connection, FEATURE_SET, NAMES)
        yield from changes or [f"feature set {FEATURE_SET}: as the catalogue says"]
    finally:
        engine.dispose()


def documents() -> Iterator[str]:
    """Make the document store's collections, indexes and validators."""
    with DocumentStore(MongoSettings.load()) as store:
        changes = store.provision()
    yield from (f"documents: {change}" for change in changes)
    if not changes:
        yield "documents: collections as the contracts say"


def provision(out: TextIO, wait_seconds: float) -> None:
    """Do every step, waiting up to `wait_seconds` for its server; write a line for each thing done.

    Raises:
        ConfigurationError: a person has to act.
        ContractError: what is there contradicts the contracts.
        TransientError: a server did not answer in time.
    """
    made: tuple[Step, ...] = (topics, buckets, schema, features, documents)
    steps = (*made, *access_steps())
    patient = retry_if_exception_type(TransientError)
    for step in steps:
        for attempt in Retrying(retry=patient, stop=stop_after_delay(wait_seconds), wait=wait_fixed(1), reraise=True):
            with attempt:
                for line in step():
                    out.write(f"{line}\n")
                    out.flush()


def main() -> int:
    """Provision; return 0, 1 (a server did not answer) or 2 (a person has to act)."""
    try:
        provision(sys.stdout, ProvisionSettings.load().provision_wait_seconds)
    except TransientError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except (ConfigurationError, ContractError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
