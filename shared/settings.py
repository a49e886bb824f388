"""The settings that several services share. The environment is read here and in settings.py of a service only."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigurationError


class Settings(BaseSettings):
    """Base of all settings: frozen, from the environment; secrets also from files in `/run/secrets`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        secrets_dir="/run/secrets" if Path("/run/secrets").is_dir() else None,
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the settings; `given` wins over the environment.

        Raises:
            ConfigurationError: one line that names each setting that is missing or wrong.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            faults = "; ".join(
                f"{str(e['loc'][0]).upper() if e['loc'] else cls.__name__}: {e['msg'].lower()}" for e in error.errors()
            )
            raise ConfigurationError(f"{faults}. Set it in the environment and start again.") from None


class KafkaSettings(Settings):
    """How to reach Kafka. The security fields stay empty on the embedded stack."""

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka_security_protocol: str = "PLAINTEXT"
    kafka_sasl_mechanism: str | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: Path | None = None
    kafka_session_seconds: float = Field(
        10.0, ge=1, le=300, description="a consumer that is silent for so long has its partitions taken away"
    )
    kafka_partitions: int = Field(6, ge=1, le=1000, description="partitions of each topic that is keyed by ticker")
    kafka_replication: int = Field(1, ge=1, le=7)
    topic_macro: str = Field("h_macrodata", description="name of the macro topic, for older producers")


class LakeSettings(Settings):
    """Where the lake lies: `file:///folder`, or `s3://host:port` with the keys below (`s3s://` for TLS)."""

    lake_url: str = "file://.tickerstream/lake"
    lake_access_key: str | None = None
    lake_secret_key: SecretStr | None = None
    lake_region: str = "us-east-1"
    # Bounded: a service that is told to end may first have to give up on the store.
    lake_timeout_seconds: float = Field(10.0, gt=0, le=15, description="how long one answer is waited for")
    lake_retry_seconds: float = Field(
        30.0, gt=0, le=60, description="how long one call is retried before the service pauses"
    )


class PostgresSettings(Settings):
    """How to reach PostgreSQL."""

    postgres_host: str = "127.0.0.1"
    postgres_port: int = 5432
    postgres_db: str = "tickerstream"
    postgres_user: str = "tickerstream"
    postgres_password: SecretStr = SecretStr("")
    postgres_idle_seconds: float = Field(
        60.0, gt=0, le=3600, description="a transaction that is silent for so long is ended, and lets go of its locks"
    )


class MongoSettings(Settings):
    """How to reach the document store."""

    mongo_uri: SecretStr = SecretStr("mongodb://127.0.0.1:27017")
    mongo_db: str = "tickerstream"
    mongo_user: str | None = Field(None, description="a user of the database `admin`; none on the embedded stack")
    mongo_password: SecretStr | None = None


class ModelSettings(Settings):
    """What models predict, and where their bundles lie."""

    model_dir: Path = Field(Path(".tickerstream/models"), description="the model volume: one folder a bundle")
    horizon_minutes: int = Field(5, ge=1, le=390)
    session: str = Field("regular", pattern="^(regular|extended)$", description="bars that get a label")


class RuntimeSettings(Settings):
    """What every process has: its home, its log, its heartbeat, and failpoints for tests."""

    tickerstream_home: Path = Path(".tickerstream")
    heartbeat_file: Path | None = None
    metrics_host: str = Field("127.0.0.1", description="where /metrics and /health are served")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="their port; none: they are not served")
    log_level: str = Field("INFO", pattern="(?i)^(debug|info|warning|error|critical)$")
    log_format: str = Field("text", pattern="^(text|json)$")
    tickerstream_failpoints: str = Field(
        "", description="tests only: `name=kill@3,other=raise@1` acts at the n-th passage of a failpoint"
    )
