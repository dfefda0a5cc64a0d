"""Every setting of every process: one frozen class per process, read once in its `__main__`.

Names are environment variables; docs/settings.md lists them all, and a test holds that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fleetpulse.errors import SettingsError


class DataSettings(BaseSettings):
    """Where a process keeps what it keeps on disk."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, env_ignore_empty=True)

    data: Path = Field(
        Path(".fleetpulse"),
        validation_alias="FLEETPULSE_DATA",
        description="Folder for the local store, the spools and the embedded broker's address.",
    )


class KafkaSettings(DataSettings):
    """How to reach Kafka."""

    bootstrap_servers: str | None = Field(
        None,
        validation_alias="KAFKA_BROKER_SETTINGS",
        description="Bootstrap servers, host:port,… Absent: the broker of `fleetpulse up`.",
    )
    cluster_key: SecretStr | None = Field(
        None,
        validation_alias="KAFKA_CLUSTER_KEY",
        description="API key or user; with the secret it turns on SASL_SSL.",
    )
    cluster_secret: SecretStr | None = Field(
        None, validation_alias="KAFKA_CLUSTER_SECRET", description="API secret or password."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN",
        validation_alias="KAFKA_SASL_MECHANISM",
        description="PLAIN for Confluent Cloud, SCRAM-SHA-512 for MSK.",
    )


class StoreSettings(DataSettings):
    """Where readings and alerts are kept."""

    store: str | None = Field(
        None,
        validation_alias="FLEETPULSE_STORE",
        description="Address of the store: `sqlite:///FILE` or `memory:`."
        " Default: `fleetpulse.db` in the data folder.",
    )

    @property
    def store_url(self) -> str:
        """The store's address, the default filled in."""
        return self.store or f"sqlite:///{self.data / 'fleetpulse.db'}"


class ModelSettings(BaseSettings):
    """Where models are kept."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, env_ignore_empty=True)

    models: str | None = Field(
        None,
        validation_alias="FLEETPULSE_MODELS",
        description="Address of the models: `dir:FOLDER`. Default: the models that are shipped.",
    )


class AgentSettings(KafkaSettings):
    """`fleetpulse agent`."""

    device: Literal["RASPBERRY", "PC"] | None = Field(
        None,
        validation_alias="DEVICE",
        description="Which agent plain `fleetpulse agent` is: RASPBERRY or PC.",
    )
    topic: str | None = Field(
        None,
        validation_alias="TOPIC_NAME",
        description="Topic that the agent publishes to. Default: telemetry.<kind>.",
    )
    device_id: str | None = Field(
        None,
        validation_alias="FLEETPULSE_DEVICE_ID",
        description="Name of this device. Default: the host's name.",
    )
    interval_s: float = Field(
        5.0,
        gt=0,
        le=3600,
        validation_alias="FLEETPULSE_INTERVAL",
        description="Seconds between two readings.",
    )
    spool_bytes: int = Field(
        64 * 1024 * 1024,
        ge=64 * 1024,
        validation_alias="FLEETPULSE_SPOOL_BYTES",
        description="Cap of the agent's disk spool; past it the oldest readings are dropped.",
    )
    fan_pin: int | None = Field(
        None,
        ge=0,
        le=27,
        validation_alias="FLEETPULSE_FAN_PIN",
        description="GPIO pin (BCM number) of a fan's tachometer on a Raspberry Pi.",
    )
    fan_rated_rpm: float | None = Field(
        None,
        gt=0,
        validation_alias="FLEETPULSE_FAN_RATED_RPM",
        description="The fan's rated speed; with the rated flow it turns RPM into CFM.",
    )
    fan_rated_cfm: float | None = Field(
        None,
        gt=0,
        validation_alias="FLEETPULSE_FAN_RATED_CFM",
        description="The fan's rated flow in CFM at its rated speed.",
    )


class ConsumerSettings(KafkaSettings, StoreSettings, ModelSettings):
    """`fleetpulse consume`."""

    topics: str = Field(
        r"^telemetry\..*",
        validation_alias="FLEETPULSE_TOPICS",
        description="Topics to read: a regular expression beginning with ^, or names with commas.",
    )
    group: str = Field(
        "fleetpulse-hardware",
        validation_alias="FLEETPULSE_GROUP",
        description="Consumer group; consumers of one group share the partitions.",
    )
    batch_rows: int = Field(
        5000,
        ge=1,
        le=100_000,
        validation_alias="FLEETPULSE_BATCH_ROWS",
        description="Most records of one batch.",
    )
    batch_ms: int = Field(
        200,
        ge=1,
        le=10_000,
        validation_alias="FLEETPULSE_BATCH_MS",
        description="Longest wait for a batch to fill, in milliseconds.",
    )


class ApiSettings(StoreSettings, ModelSettings):
    """`fleetpulse api`."""

    host: str = Field(
        "127.0.0.1",
        validation_alias="FLEETPULSE_HOST",
        description="Address that the API listens on: a loopback address.",
    )
    port: int = Field(
        8000, ge=1, le=65535, validation_alias="FLEETPULSE_PORT", description="The API's port."
    )


class BotSettings(StoreSettings):
    """`fleetpulse bot`."""

    token: SecretStr | None = Field(
        None,
        validation_alias="TELEGRAM_TOKEN",
        description="Bot token from @BotFather. Absent: the local chat of `fleetpulse up`.",
    )
    telegram_api: str | None = Field(
        None,
        validation_alias="FLEETPULSE_TELEGRAM_API",
        description="Root of the Bot API. Default: Telegram's, or the local one without a token.",
    )
    chats: str = Field(
        "",
        validation_alias="FLEETPULSE_TELEGRAM_CHATS",
        description="Ids of the Telegram chats that the bot answers and warns, with commas.",
    )
    port: int = Field(
        8000,
        ge=1,
        le=65535,
        validation_alias="FLEETPULSE_PORT",
        description="Port of the local stack, where the local Bot API is found.",
    )


PROCESS_SETTINGS: tuple[type[BaseSettings], ...] = (
    AgentSettings,
    ConsumerSettings,
    ApiSettings,
    BotSettings,
)

Settings = TypeVar("Settings", bound=BaseSettings)


def load(kind: type[Settings], **overrides: Any) -> Settings:
    """The settings of a process: the environment, and over it what the command line gave.

    overrides: by field name; None means not given. Raises SettingsError that names every wrong or
    missing variable at once, without its value (it may be a secret).
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return kind(**given)
    except ValidationError as problem:
        raise SettingsError(_sentence(kind, problem)) from None


def _sentence(kind: type[BaseSettings], problem: ValidationError) -> str:
    variables = {name: str(f.validation_alias) for name, f in kind.model_fields.items()}
    faults = []
    for fault in problem.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0])
        faults.append(f"{variables.get(name, name)}: {fault['msg']}")
    return "Wrong settings: " + "; ".join(faults) + ". See docs/settings.md."
