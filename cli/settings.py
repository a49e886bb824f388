"""Where the command finds a running system: an embedded stack's home, or addresses in the environment."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from infra.embedded.addresses import addresses
from infra.embedded.layout import Home
from infra.embedded.settings import resolve_home
from infra.embedded.status import status
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, LakeSettings, PostgresSettings, Settings


class CommandSettings(Settings):
    """What decides whether the command talks to an embedded stack or to servers of one's own."""

    kafka_bootstrap_servers: str | None = None
    lake_url: str | None = None
    tickerstream_services: str | None = Field(
        None, description="services that run elsewhere, for `status`: name=http://host:port of METRICS_PORT, ..."
    )
    predictor_url: str = Field("http://127.0.0.1:8080/", description="where the predictor answers")
    predictor_page: str | None = Field(None, description="where a person opens its page, if that is another address")


@dataclass(frozen=True, slots=True)
class Connection:
    """A system that the command talks to.

    Attributes:
        home: The embedded stack, or None for servers named in the environment.
        kafka: Its Kafka.
        lake: Its lake.
        postgres: Its PostgreSQL.
        predictor_url: Its predictor, with a slash at the end.
        environment: Variables for a process of ours that is to work with the same system.
    """

    home: Home | None
    kafka: KafkaSettings
    lake: LakeSettings
    postgres: PostgresSettings
    predictor_url: str
    environment: dict[str, str]


def connect(home: Path | None, *, must_be_up: bool = True) -> Connection:
    """Return the system to work with: the stack in `home`, else the servers in the environment, else the usual home.

    Args:
        home: What --home gives.
        must_be_up: Whether an embedded stack has to run; the lake can be read without.

    Raises:
        ConfigurationError: there is no such stack, or it is not up.
    """
    given = CommandSettings.load()
    if home is None and (given.kafka_bootstrap_servers or (given.lake_url and not must_be_up)):
        url = f"{given.predictor_url.rstrip('/')}/"
        return Connection(None, KafkaSettings.load(), LakeSettings.load(), PostgresSettings.load(), url, {})
    return embedded(resolve_home(home), must_be_up=must_be_up)


def embedded(home: Home, *, must_be_up: bool = True) -> Connection:
    """Return the embedded stack in `home`.

    Raises:
        ConfigurationError: there is none, or it is not up.
    """
    where = addresses(home)
    if must_be_up and not status(home).up:
        raise ConfigurationError(f"The stack in {home.root} is not up; start it with `{home.command('up')}`.")
    return Connection(
        home,
        KafkaSettings.load(kafka_bootstrap_servers=where.kafka_bootstrap_servers),
        LakeSettings.load(lake_url=where.lake_url),
        PostgresSettings.load(
            postgres_host=where.postgres_host,
            postgres_port=where.postgres_port,
            postgres_db=where.postgres_db,
            postgres_user=where.postgres_user,
            postgres_password=where.postgres_password,
        ),
        where.page,
        where.environment(),
    )
