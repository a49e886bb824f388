"""The steps of provisioning that make users and rights, in each server whose passwords are there."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from infra.access import kafka_access, lake_access, mongo_access, postgres_access
from infra.access.identities import Server
from infra.access.passwords import AccessSettings, passwords_for
from shared.settings import KafkaSettings, LakeSettings, MongoSettings, PostgresSettings
from shared.storage.postgres import open_engine

Passwords = dict[str, str]


def access_steps() -> list[Callable[[], Iterator[str]]]:
    """Return a step a server that has users of ours; none where there are no passwords, as on the embedded stack.

    Raises:
        ConfigurationError: of a server's passwords one lacks, or is too short.
    """
    folder = AccessSettings.load().access_secrets_dir
    found = {server: passwords_for(server, folder) for server in _STEPS}
    return [partial(_STEPS[server], passwords) for server, passwords in found.items() if passwords is not None]


def _kafka(passwords: Passwords) -> Iterator[str]:
    return kafka_access.apply(KafkaSettings.load(), passwords)


def _postgres(passwords: Passwords) -> Iterator[str]:
    with open_engine(PostgresSettings.load()) as engine:
        yield from postgres_access.apply(engine, passwords)


def _lake(passwords: Passwords) -> Iterator[str]:
    return lake_access.apply(LakeSettings.load(), passwords)


def _documents(passwords: Passwords) -> Iterator[str]:
    return mongo_access.apply(MongoSettings.load(), passwords)


_STEPS: Final[dict[Server, Callable[[Passwords], Iterator[str]]]] = {
    "kafka": _kafka,
    "postgres": _postgres,
    "lake": _lake,
    "mongo": _documents,
}
