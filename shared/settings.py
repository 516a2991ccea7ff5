"""What can be set from outside, and what is it otherwise?

Every setting is an environment variable `HEADSET_…`; `DATABASE_URL` and `KAFKA_BOOTSTRAP_SERVERS` are also known
by those common names.
"""

from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Role = Literal["agent", "team_lead", "auditor", "trainer", "hr", "call_centre", "manager", "admin", "service"]
ROLES: tuple[Role, ...] = get_args(Role)


def is_loopback(host: str) -> bool:
    """Whether this is a name or an address of this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
    jwks_url: str | None = Field(
        None, description="Where an OpenID Connect provider has its keys; then tokens are checked with those alone."
    )
    jwt_issuer: str | None = Field(None, description="Tokens must be from this issuer; needed with jwks_url.")
    jwt_audience: str | None = Field(None, description="Tokens must be for this audience; needed with jwks_url.")
    jwt_leeway: int = Field(30, ge=0, le=300, description="Seconds by which clocks may differ.")
    jwt_roles_claim: str = Field("roles", description="Claim with the list of roles; dots lead into objects.")
    jwt_role_names: dict[str, str] = Field(
        {}, description="JSON object: the provider's name of a role → ours. Names that are not in it stay as they are."
    )
    jwt_employee_claim: str = Field("sub", description="Claim with the employee id; tokens without it go by sub.")
    token_url: str | None = Field(None, description="Where commands get short-lived tokens (client credentials).")
    client_id: str | None = Field(None, description="As whom they get them.")
    client_secret: SecretStr | None = Field(None, description="The secret that goes with it.")
    rate_limit: int = Field(0, ge=0, description="Requests a second of one identity in one process; 0 is no limit.")
    reads_retention_days: int = Field(730, ge=1, description="How long it is kept who read personal data.")
    call_retention_days: int | None = Field(
        None, ge=30, description="How long calls are kept that nothing refers to; without it for ever."
    )

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

    @field_validator("jwks_url", "token_url")
    @classmethod
    def _safe_way(cls, url: str | None) -> str | None:
        parsed = urlsplit(url or "https:")
        if parsed.scheme != "https" and not (parsed.scheme == "http" and is_loopback(parsed.hostname or "")):
            raise ValueError("the address must begin with https://; http:// is for this machine only")
        return url

    @model_validator(mode="after")
    def _whose_tokens(self) -> Self:
        if self.jwks_url and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("with jwks_url, jwt_issuer and jwt_audience must be set: a provider signs for others too")
        if strange := sorted(set(self.jwt_role_names.values()) - set(ROLES)):
            raise ValueError(f"jwt_role_names names roles that are none of ours: {', '.join(strange)}")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def url_of(self, service: str) -> str | None:
        """Where the tables of this service are."""
        own: str | None = getattr(self, f"{service}_database_url", None)
        return own or self.database_url
