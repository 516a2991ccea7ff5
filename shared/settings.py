"""What can be set from outside, and what is it otherwise?

Every setting is an environment variable `HEADSET_…`; `DATABASE_URL` and `KAFKA_BOOTSTRAP_SERVERS` are also known
by those common names.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="HEADSET_", env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True
    )

    data: Path = Field(Path(".headset"), description="Directory of the embedded mode.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    timezone: str = Field("Asia/Shanghai", description="The centre's zone: calendar rules and local days.")
    language: Literal["en", "zh"] = Field("en", description="Language of messages where the reader states none.")
    working_days: Literal["cn", "weekdays"] = Field("cn", description="Which calendar counts working days.")

    contract_rules: Literal["cn", "none"] = Field(
        "cn", description="Which law employment contracts are checked against."
    )
    verify_before_second_interview: bool = Field(True, description="Step 9 of recruiting comes before step 10.")
    internal_candidates_skip: bool = Field(True, description="Who works here already skips steps 9 and 12.")

    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("HEADSET_DATABASE_URL", "DATABASE_URL"),
        description="Address of a PostgreSQL 18 or newer; embedded mode brings its own.",
    )
    recruiting_database_url: str | None = Field(None, description="Instead of DATABASE_URL, for recruiting.")
    training_database_url: str | None = Field(None, description="Instead of DATABASE_URL, for training.")
    performance_database_url: str | None = Field(None, description="Instead of DATABASE_URL, for performance.")
    qa_database_url: str | None = Field(None, description="Instead of DATABASE_URL, for QA.")
    pool_size: int = Field(8, ge=2, description="Connections of one service in one process.")

    kafka: str = Field(
        "127.0.0.1:9092",
        validation_alias=AliasChoices("HEADSET_KAFKA", "KAFKA_BOOTSTRAP_SERVERS"),
        description="Kafka brokers, host:port, separated by commas.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to: encrypted (SSL), with a user's name (SASL), both, neither."
    )
    kafka_ca: Path | None = Field(
        None, description="File (PEM) with the authority that signed the brokers' certificates; else the system's."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How the user of Kafka is proved."
    )
    kafka_username: str | None = Field(None, description="User of Kafka.")
    kafka_password: SecretStr | None = Field(None, description="That user's password.")
    kafka_idempotence: bool = Field(True, description="Off only for brokers that cannot.")
    topic_partitions: int = Field(12, ge=1, description="Of each topic that is created.")
    topic_replication: int = Field(1, ge=1, description="Copies of each topic that is created; 3 in production.")
    topic_retention_days: int = Field(14, ge=1, description="The inbox remembers a day longer.")
    consumer_batch: int = Field(500, ge=1, le=5000, description="Records in one transaction of a worker.")

    jwt_key: SecretStr | None = Field(
        None, description="Key (HS256) or public key in PEM that tokens are checked with."
    )
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field("HS256", description="The one that is accepted.")
    jwt_issuer: str | None = Field(None, description="If set, tokens must be from this issuer.")
    jwt_audience: str | None = Field(None, description="If set, tokens must be for this audience.")

    traces: str | None = Field(
        None,
        validation_alias=AliasChoices("HEADSET_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Collector of OpenTelemetry traces (OTLP over HTTP); without it none are made.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone is called {name!r}; give a name such as Asia/Shanghai") from error
        return name

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def url_of(self, service: str) -> str | None:
        """Where the tables of this service are."""
        own: str | None = getattr(self, f"{service}_database_url", None)
        return own or self.database_url
