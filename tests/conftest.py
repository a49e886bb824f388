"""Real servers for tests: one Kafka and one PostgreSQL a session, private ones for tests that kill them."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text

from infra.embedded import ports
from infra.embedded.jars import ensure_jars
from infra.embedded.kafka import KafkaServer
from infra.embedded.layout import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.ports import free_port
from infra.embedded.postgres import DATABASE, USER, PostgresServer
from infra.embedded.settings import EmbeddedSettings
from infra.migrations import migrate
from shared.errors import TickerstreamError
from shared.settings import MongoSettings, PostgresSettings
from shared.storage.postgres import make_engine
from tests.servers import running

settings.register_profile("tickerstream", deadline=None)  # no test is about time; a hang has pytest's own limit
settings.load_profile("tickerstream")


# Parallel workers choose their ports from ranges of their own: a port is chosen seconds before a server listens there.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
SHARE = (ports.HIGHEST - ports.LOWEST) // WORKERS
ports.LOWEST += WORKER * SHARE
ports.HIGHEST = ports.LOWEST + SHARE

LONGEST = ("torture", "cli", "infra")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetch the jars before parallel workers start, or say in one line why that cannot be."""
    if session.config.getoption("numprocesses", None):  # never so in a worker
        try:
            ensure_jars(cache_folder())
        except TickerstreamError as error:
            pytest.exit(str(error), returncode=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose files take longest, so that parallel workers end together."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)

    items.sort(key=place)


def cache_folder() -> Path:
    cache = EmbeddedSettings.load().tickerstream_cache or Path(__file__).parents[1] / ".tickerstream" / "cache"
    return cache.absolute()


@contextmanager
def temporary_home(cache: Path) -> Iterator[Home]:
    """A home of its own outside pytest's folders, whose modes another session of pytest would tighten meanwhile."""
    root = Path(tempfile.mkdtemp(prefix="tickerstream-test-")).resolve()
    home = Home(root, cache)
    home.create()
    try:
        yield home
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def running_kafka(home: Home) -> Iterator[KafkaServer]:
    """A broker in `home`, stopped at the end whether it runs or not."""
    port = free_port()
    with running(KafkaServer(home, port, free_port([port]))) as server:
        yield server


@pytest.fixture(scope="session")
def jar_cache() -> Path:
    """The folder of the Java servers' jars, fetched once for all sessions (TICKERSTREAM_CACHE moves it)."""
    ensure_jars(cache_folder())
    return cache_folder()


@pytest.fixture(scope="session")
def new_home(jar_cache: Path) -> Callable[[], AbstractContextManager[Home]]:
    """A way to get empty homes, for fixtures that keep one for several tests."""
    return partial(temporary_home, jar_cache)


@pytest.fixture
def home(jar_cache: Path) -> Iterator[Home]:
    """An empty home for a stack or a server of one test."""
    with temporary_home(jar_cache) as home:
        yield home


@pytest.fixture(scope="session")
def kafka(jar_cache: Path) -> Iterator[str]:
    """Bootstrap servers of the session's broker. It is shared: use topics and groups with names of your own."""
    with temporary_home(jar_cache) as home, running_kafka(home) as server:
        yield server.bootstrap_servers


@pytest.fixture
def own_kafka(home: Home) -> Iterator[KafkaServer]:
    """A broker of one test, which may .kill(), .start(), .wait_healthy() and .stop() it."""
    with running_kafka(home) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(jar_cache: Path) -> Iterator[PostgresSettings]:
    """Settings that reach the session's PostgreSQL. It is shared: use schemas or databases of your own."""
    with temporary_home(jar_cache) as home, running(PostgresServer(home, free_port())) as server:
        yield PostgresSettings.load(
            postgres_host="127.0.0.1",
            postgres_port=server.port,
            postgres_db=DATABASE,
            postgres_user=USER,
            postgres_password=server.password,
        )


@pytest.fixture(scope="session")
def migrated(postgres: PostgresSettings) -> str:
    """The name of a migrated database to make others of: nobody may be connected to it."""
    name = "migrated"
    _on_server(postgres, f"CREATE DATABASE {name}")
    engine = make_engine(postgres.model_copy(update={"postgres_db": name}))
    migrate(engine)
    engine.dispose()
    return name


@pytest.fixture
def database(postgres: PostgresSettings, migrated: str) -> Iterator[PostgresSettings]:
    """Settings that reach a migrated database of one test."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    _on_server(postgres, f"CREATE DATABASE {name} TEMPLATE {migrated}")
    yield postgres.model_copy(update={"postgres_db": name})
    _on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(postgres: PostgresSettings, statement: str) -> None:
    engine = make_engine(postgres)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def mongo(jar_cache: Path) -> Iterator[MongoSettings]:
    """Settings that reach the session's document store. It is shared: use databases of your own."""
    with temporary_home(jar_cache) as home, running(MongoServer(home, free_port())) as server:
        yield MongoSettings.load(mongo_uri=server.uri)
