"""Where the servers of an embedded stack are, as values and as the environment of a service."""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from infra.embedded.layout import Home
from infra.embedded.ports import LOOPBACK, load_ports
from infra.embedded.postgres import DATABASE, USER, read_password
from shared.errors import ConfigurationError
from shared.settings import Settings

SERVER_PORTS = ("kafka", "kafka_controller", "postgres", "mongo")
SERVICE_PORTS = ("predictor",)
# What somebody's environment may hold for servers of another system. Empty means: the default, whatever is inherited.
EMPTY: Final = (
    *("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
    *("KAFKA_SSL_CA_LOCATION", "KAFKA_REPLICATION", "LAKE_ACCESS_KEY", "LAKE_SECRET_KEY"),
    *("MONGO_USER", "MONGO_PASSWORD", "ACCESS_SECRETS_DIR"),
)
# The client library of PostgreSQL has variables of its own; the server on the loopback interface speaks no TLS.
LIBPQ: Final = {"PGSSLMODE": "disable"}

SomeSettings = TypeVar("SomeSettings", bound=Settings)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one stack. They stay the same from one start to the next.

    Attributes:
        home: The stack's home.
        kafka_bootstrap_servers: `host:port`.
        postgres_port: Port on the loopback interface.
        postgres_password: The generated password.
        mongo_uri: `mongodb://host:port`.
        lake_url: `file://` and the lake's folder, escaped.
        predictor_port: Port of the predictor on the loopback interface; 0 = any.
    """

    home: Home
    kafka_bootstrap_servers: str
    postgres_port: int
    postgres_password: str = field(repr=False)
    mongo_uri: str
    lake_url: str
    predictor_port: int = 0
    postgres_host: str = LOOPBACK
    postgres_db: str = DATABASE
    postgres_user: str = USER

    @property
    def page(self) -> str:
        """Return the address of the predictor's page, and of its HTTP routes."""
        return f"http://{LOOPBACK}:{self.predictor_port}/"

    def environment(self) -> dict[str, str]:
        """Return the variables that the services' settings are read from."""
        return {
            **dict.fromkeys(EMPTY, ""),
            **LIBPQ,
            "TICKERSTREAM_HOME": str(self.home.root),
            "TICKERSTREAM_CACHE": str(self.home.cache),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "POSTGRES_HOST": self.postgres_host,
            "POSTGRES_PORT": str(self.postgres_port),
            "POSTGRES_DB": self.postgres_db,
            "POSTGRES_USER": self.postgres_user,
            "POSTGRES_PASSWORD": self.postgres_password,
            "MONGO_URI": self.mongo_uri,
            "LAKE_URL": self.lake_url,
            "MODEL_DIR": str(self.home.models),
            "PREDICTOR_HOST": LOOPBACK,
            "PREDICTOR_PORT": str(self.predictor_port),
        }

    def settings(self, kind: type[SomeSettings]) -> SomeSettings:
        """Return the settings of this class as a process reads them that is started with `environment`."""
        told = self.environment()
        ours = {name: field for name, field in kind.model_fields.items() if name.upper() in told}
        return kind.load(**{name: told[name.upper()] or field.default for name, field in ours.items()})


def addresses(home: Home) -> Addresses:
    """Return the addresses of the stack in `home`, whether it is up now or not.

    Raises:
        ConfigurationError: It was never up.
    """
    ports = load_ports(home.ports_file)
    if not set(SERVER_PORTS) <= set(ports):
        raise ConfigurationError(f"There is no stack in {home.root}; start one with `{home.command('up')}`.")
    return Addresses(
        home,
        kafka_bootstrap_servers=f"{LOOPBACK}:{ports['kafka']}",
        postgres_port=ports["postgres"],
        postgres_password=read_password(home),
        mongo_uri=f"mongodb://{LOOPBACK}:{ports['mongo']}",
        lake_url=home.lake.as_uri(),
        predictor_port=ports.get("predictor", 0),
    )
