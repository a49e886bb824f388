"""Where the command finds a running system: an embedded stack's home, or addresses in the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from infra.embedded.addresses import LIBPQ, addresses
from infra.embedded.layout import Home
from infra.embedded.settings import resolve_home
from infra.embedded.status import status
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, LakeSettings, PostgresSettings, Settings

PARTS: Final = ("lake_url", "postgres_host", "predictor_url")
PREDICTOR: Final = "http://127.0.0.1:8080/"


class CommandSettings(Settings):
    """What decides whether the command talks to an embedded stack or to servers of one's own."""

    kafka_bootstrap_servers: str | None = None
    lake_url: str | None = None
    postgres_host: str | None = None
    tickerstream_services: str | None = Field(
        None, description="services that run elsewhere, for `status`: name=http://host:port of METRICS_PORT, ..."
    )
    predictor_url: str | None = Field(None, description=f"where the predictor answers; without one, {PREDICTOR}")
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

    An environment that names a lake, a PostgreSQL or a predictor, but no Kafka, names no system: the usual home is not
    taken in its place.

    Args:
        home: What --home gives.
        must_be_up: Whether an embedded stack has to run; the lake can be read without.

    Raises:
        ConfigurationError: there is no such stack, or it is not up; or half of a system is named.
    """
    given = CommandSettings.load()
    if home is None and (given.kafka_bootstrap_servers or (given.lake_url and not must_be_up)):
        url = _with_slash(given.predictor_url or PREDICTOR)
        return Connection(None, KafkaSettings.load(), LakeSettings.load(), PostgresSettings.load(), url, {})
    if home is None and (names := [name.upper() for name in PARTS if getattr(given, name)]):
        raise ConfigurationError(
            f"{' and '.join(names)} {'names' if len(names) == 1 else 'name'} a system of your own, but "
            "KAFKA_BOOTSTRAP_SERVERS is not set. Set it, too, or name an embedded stack with --home."
        )
    return embedded(resolve_home(home), must_be_up=must_be_up)


def predictor_of(home: Path | None) -> str:
    """Return the address of the predictor, with a slash at the end; PREDICTOR_URL alone is enough.

    Raises:
        ConfigurationError: as `connect` does.
    """
    given = CommandSettings.load().predictor_url
    return _with_slash(given) if home is None and given else connect(home).predictor_url


def embedded(home: Home, *, must_be_up: bool = True) -> Connection:
    """Return the embedded stack in `home`.

    Raises:
        ConfigurationError: there is none, or it is not up.
    """
    where = addresses(home)
    if must_be_up and not status(home).up:
        raise ConfigurationError(f"The stack in {home.root} is not up; start it with `{home.command('up')}`.")
    os.environ.update(LIBPQ)  # read by the client library itself, in this process, too
    return Connection(
        home,
        where.settings(KafkaSettings),
        where.settings(LakeSettings),
        where.settings(PostgresSettings),
        where.page,
        where.environment(),
    )


def _with_slash(url: str) -> str:
    return f"{url.rstrip('/')}/"
