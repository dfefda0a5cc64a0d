"""Every setting of every process: one frozen class per process, read once in its `__main__`.

Names are environment variables; docs/settings.md lists them all, and a test holds that. The
classes are plain dataclasses whose values msgspec checks, since a settings library would take a
third of the memory that an agent may have (docs/decisions/0003-settings.md).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from fleetpulse.errors import SettingsError
from fleetpulse.expected import expected
from fleetpulse.secrets import AwsKeys, Secret


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many days readings are kept, and their rollups."""

    raw_days: int = 14
    minute_days: int = 90
    hour_days: int = 730


@dataclass(frozen=True, kw_only=True)
class Variable:
    """The environment variable of a setting."""

    name: str
    meaning: str
    default: Any


def setting(default: Any, name: str, meaning: str) -> Any:
    """A field that is read from the environment variable `name`."""
    variable = Variable(name=name, meaning=meaning, default=default)
    return dataclasses.field(default=default, metadata={"variable": variable})


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What every process knows: where it keeps what it keeps, and how often machines speak."""

    data: Path = setting(
        Path(".fleetpulse"),
        "FLEETPULSE_DATA",
        "Folder for the local store, the spools and the embedded broker's address.",
    )
    interval_s: Annotated[float, Meta(gt=0, le=3600)] = setting(
        5.0,
        "FLEETPULSE_INTERVAL",
        "Seconds between two readings.",
    )
    log_format: Literal["text", "json"] = setting(
        "text",
        "FLEETPULSE_LOG",
        "How log lines look: text for people, json for a log collector.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "INFO",
        "FLEETPULSE_LOG_LEVEL",
        "Log lines of this level and above.",
    )


@dataclass(frozen=True, kw_only=True)
class OpsSettings(DataSettings):
    """Where a process without an API of its own answers /healthz, /readyz and /metrics."""

    ops_host: str = setting(
        "127.0.0.1",
        "FLEETPULSE_OPS_HOST",
        "Address that agent, consumer, bot and notify answer /healthz, /readyz and /metrics on.",
    )
    ops_port: Annotated[int, Meta(ge=1, le=65535)] | None = setting(
        None,
        "FLEETPULSE_OPS_PORT",
        "Port for /healthz, /readyz and /metrics of agent, consumer, bot and notify. Absent: none.",
    )


@dataclass(frozen=True, kw_only=True)
class AwsSettings(DataSettings):
    """How to reach DynamoDB and S3; without these, boto3's own chain is asked."""

    aws_access_key: Secret | None = setting(
        None,
        "AWS_ACCESS_KEY",
        "Access key of AWS. Absent: boto3's own chain (roles, profiles, AWS_ACCESS_KEY_ID).",
    )
    aws_secret: Secret | None = setting(
        None,
        "AWS_SECRET_ACCESS_KEY",
        "Secret of AWS_ACCESS_KEY.",
    )

    @property
    def aws(self) -> AwsKeys | None:
        """The keys to hand to boto3; None: its own chain."""
        if self.aws_access_key is None or self.aws_secret is None:
            return None
        return AwsKeys(self.aws_access_key.get_secret_value(), self.aws_secret)


@dataclass(frozen=True, kw_only=True)
class KafkaSettings(DataSettings):
    """How to reach Kafka."""

    bootstrap_servers: str | None = setting(
        None,
        "KAFKA_BROKER_SETTINGS",
        "Bootstrap servers, host:port,… Absent: the broker of `fleetpulse up`.",
    )
    cluster_key: Secret | None = setting(
        None,
        "KAFKA_CLUSTER_KEY",
        "API key or user; with the secret it turns on SASL_SSL.",
    )
    cluster_secret: Secret | None = setting(
        None,
        "KAFKA_CLUSTER_SECRET",
        "API secret or password.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "PLAIN",
        "KAFKA_SASL_MECHANISM",
        "PLAIN for Confluent Cloud, SCRAM-SHA-512 for MSK.",
    )
    ca_file: Path | None = setting(
        None,
        "FLEETPULSE_KAFKA_CA",
        "File with the CA certificates (PEM) that Kafka's are checked against."
        " Default: those of the system.",
    )
    schema_endpoint: str | None = setting(
        None,
        "KAFKA_SCHEMA_ENDPOINT",
        "Address of the schema registry. Set: records of readings are framed with a schema's id.",
    )
    schema_username: Secret | None = setting(
        None,
        "SCHEMA_USERNAME",
        "User, or API key, of the schema registry.",
    )
    schema_password: Secret | None = setting(
        None,
        "SCHEMA_PASSWORD",
        "Password, or API secret, of the schema registry.",
    )
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = setting(
        12,
        "FLEETPULSE_PARTITIONS",
        "Partitions of a topic that fleetpulse makes: the most consumers that can share it.",
    )
    log_hours: Annotated[int, Meta(ge=1)] = setting(
        168,
        "FLEETPULSE_LOG_HOURS",
        "Hours that records stay in a topic that fleetpulse makes.",
    )


@dataclass(frozen=True, kw_only=True)
class StoreSettings(AwsSettings):
    """Where readings and alerts are kept."""

    store: Secret | None = setting(
        None,
        "FLEETPULSE_STORE",
        "Address of the store: `sqlite:///FILE`, `postgresql+psycopg://USER:PASSWORD@HOST/NAME`,"
        " `dynamodb://PREFIX?region=…&endpoint=…&layout=reading|minute` or `memory:`."
        " Default: `fleetpulse.db` in the data folder.",
    )
    raw_days: Annotated[int, Meta(ge=1)] = setting(
        14,
        "FLEETPULSE_RAW_DAYS",
        "Days that single readings are kept.",
    )
    minute_days: Annotated[int, Meta(ge=1)] = setting(
        90,
        "FLEETPULSE_MINUTE_DAYS",
        "Days that rollups of a minute are kept.",
    )
    hour_days: Annotated[int, Meta(ge=1)] = setting(
        730,
        "FLEETPULSE_HOUR_DAYS",
        "Days that rollups of an hour are kept.",
    )

    @property
    def retention(self) -> Retention:
        """How long things are kept."""
        return Retention(
            raw_days=self.raw_days, minute_days=self.minute_days, hour_days=self.hour_days
        )

    @property
    def store_url(self) -> str:
        """The store's address, the default filled in."""
        if self.store is not None:
            return self.store.get_secret_value()
        return f"sqlite:///{self.data / 'fleetpulse.db'}"


@dataclass(frozen=True, kw_only=True)
class ModelSettings(AwsSettings):
    """Where models are kept."""

    models: str | None = setting(
        None,
        "FLEETPULSE_MODELS",
        "Address of the models: `dir:FOLDER` or `s3://BUCKET/PREFIX?region=…&endpoint=…`."
        " Default: the models that are shipped.",
    )
    model_key: Secret | None = setting(
        None,
        "FLEETPULSE_MODEL_KEY",
        "Any long secret. Models are signed with it when they are published and promoted, and those"
        " that are not are refused. Absent: nothing is signed or checked.",
    )


@dataclass(frozen=True, kw_only=True)
class AgentSettings(KafkaSettings, OpsSettings):
    """`fleetpulse agent`."""

    device: Literal["RASPBERRY", "PC"] | None = setting(
        None,
        "DEVICE",
        "Which agent plain `fleetpulse agent` is: RASPBERRY or PC.",
    )
    topic: str | None = setting(
        None,
        "TOPIC_NAME",
        "Topic that the agent publishes to. Default: telemetry.<kind>.",
    )
    device_id: str | None = setting(
        None,
        "FLEETPULSE_DEVICE_ID",
        "Name of this device. Default: the host's name.",
    )
    api: str | None = setting(
        None,
        "FLEETPULSE_API",
        "Address of a fleetpulse API, https://…, that the agent sends its readings to; Kafka's"
        " address and secrets are then not needed.",
    )
    ingest_key: Secret | None = setting(
        None,
        "FLEETPULSE_INGEST_KEY",
        "The device's own key for FLEETPULSE_API: `fleetpulse keys create NAME --scope ingest"
        " --device ID`.",
    )
    spool_bytes: Annotated[int, Meta(ge=64 * 1024)] = setting(
        64 * 1024 * 1024,
        "FLEETPULSE_SPOOL_BYTES",
        "Cap of the agent's disk spool; past it the oldest readings are dropped.",
    )
    fan_pin: Annotated[int, Meta(ge=0, le=27)] | None = setting(
        None,
        "FLEETPULSE_FAN_PIN",
        "GPIO pin (BCM number) of a fan's tachometer on a Raspberry Pi.",
    )
    fan_rated_rpm: Annotated[float, Meta(gt=0)] | None = setting(
        None,
        "FLEETPULSE_FAN_RATED_RPM",
        "The fan's rated speed; with the rated flow it turns RPM into CFM.",
    )
    fan_rated_cfm: Annotated[float, Meta(gt=0)] | None = setting(
        None,
        "FLEETPULSE_FAN_RATED_CFM",
        "The fan's rated flow in CFM at its rated speed.",
    )


@dataclass(frozen=True, kw_only=True)
class ConsumerSettings(KafkaSettings, StoreSettings, ModelSettings, OpsSettings):
    """`fleetpulse consume`."""

    topics: str = setting(
        r"^telemetry\..*",
        "FLEETPULSE_TOPICS",
        "Topics to read: a regular expression beginning with ^, or names with commas.",
    )
    group: str = setting(
        "fleetpulse-hardware",
        "FLEETPULSE_GROUP",
        "Consumer group; consumers of one group share the partitions.",
    )
    instance: str | None = setting(
        None,
        "FLEETPULSE_GROUP_INSTANCE",
        "Name of this member of the group, different for each (static membership): one that comes"
        " back within 10 s keeps its partitions. Absent: a member is new each time.",
    )
    batch_rows: Annotated[int, Meta(ge=1, le=100_000)] = setting(
        6_000,
        "FLEETPULSE_BATCH_ROWS",
        "Most records of one batch; more are a little faster and take more memory.",
    )
    batch_ms: Annotated[int, Meta(ge=1, le=10_000)] = setting(
        200,
        "FLEETPULSE_BATCH_MS",
        "Longest wait for a batch to fill, in milliseconds.",
    )


@dataclass(frozen=True, kw_only=True)
class ApiSettings(KafkaSettings, StoreSettings, ModelSettings):
    """`fleetpulse api`."""

    host: str = setting(
        "127.0.0.1",
        "FLEETPULSE_HOST",
        "Address that the API listens on. Other than a loopback one: every request needs a key.",
    )
    allowed_hosts: str = setting(
        "",
        "FLEETPULSE_ALLOWED_HOSTS",
        "Names, with commas, that the API answers to besides its own address and loopback ones.",
    )
    keyless: Literal["on", "off"] = setting(
        "on",
        "FLEETPULSE_KEYLESS",
        "Whether programs and browsers on this machine need no key while the API listens on"
        " loopback. Off as soon as FLEETPULSE_ALLOWED_HOSTS or FLEETPULSE_TRUSTED_PROXIES is set.",
    )
    trusted_proxies: Annotated[int, Meta(ge=0, le=10)] = setting(
        0,
        "FLEETPULSE_TRUSTED_PROXIES",
        "How many proxies are before the API, each of which adds to X-Forwarded-For: requests are"
        " counted by the address that they tell.",
    )
    rate_limit: str = setting(
        "600/minute",
        "FLEETPULSE_RATE_LIMIT",
        "Requests of one key, or of one address without a key; as in 20/second or 600/minute.",
    )
    ingest_limit: str = setting(
        "60/minute",
        "FLEETPULSE_INGEST_LIMIT",
        "Posts of readings by one key.",
    )
    port: Annotated[int, Meta(ge=1, le=65535)] = setting(
        8000,
        "FLEETPULSE_PORT",
        "The API's port.",
    )


@dataclass(frozen=True, kw_only=True)
class BotSettings(StoreSettings, OpsSettings):
    """`fleetpulse bot`."""

    token: Secret | None = setting(
        None,
        "TELEGRAM_TOKEN",
        "Bot token from @BotFather. Absent: the local chat of `fleetpulse up`.",
    )
    telegram_api: str | None = setting(
        None,
        "FLEETPULSE_TELEGRAM_API",
        "Root of the Bot API. Default: Telegram's, or the local one without a token.",
    )
    chats: str = setting(
        "",
        "FLEETPULSE_TELEGRAM_CHATS",
        "Ids of the Telegram chats that the bot answers and warns, with commas.",
    )
    port: Annotated[int, Meta(ge=1, le=65535)] = setting(
        8000,
        "FLEETPULSE_PORT",
        "Port of the local stack, where the local Bot API is found.",
    )
    ping_url: Secret | None = setting(
        None,
        "FLEETPULSE_PING_URL",
        "Address that the bot asks for each minute while all is well, as Healthchecks or Uptime"
        " Kuma give one: they warn when the whole machine is gone.",
    )


@dataclass(frozen=True, kw_only=True)
class NotifySettings(StoreSettings, OpsSettings):
    """`fleetpulse notify`."""

    channels: Secret | None = setting(
        None,
        "FLEETPULSE_NOTIFY",
        "Channels besides Telegram, NAME=URL with white space between: e-mail, a webhook or any"
        " service of Apprise; docs/notify.md shows each.",
    )
    private_networks: str = setting(
        "",
        "FLEETPULSE_NOTIFY_PRIVATE",
        "Networks, with commas, that webhooks may reach though they are not public: 10.1.0.0/16.",
    )


PROCESS_SETTINGS: tuple[type[DataSettings], ...] = (
    AgentSettings,
    ConsumerSettings,
    ApiSettings,
    BotSettings,
    NotifySettings,
)

Settings = TypeVar("Settings", bound=DataSettings)


def variables(kind: type[DataSettings]) -> Iterator[tuple[str, Variable]]:
    """Every field of a process' settings, and the variable that it is read from."""
    for field in dataclasses.fields(kind):
        yield field.name, field.metadata["variable"]


def load(kind: type[Settings], **overrides: Any) -> Settings:
    """The settings of a process: the environment, and over it what the command line gave.

    overrides: by field name; None means not given. Raises SettingsError that names every wrong
    variable at once, without its value (it may be a secret), and TypeError for no field's name.
    """
    unknown = set(overrides) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} has no {' and no '.join(sorted(unknown))}")
    values, faults = _read(kind, overrides)
    _refuse(faults)
    return kind(**values)


def check_all(**overrides: Any) -> None:
    """Return if every process could start with this environment.

    Raises SettingsError that names every wrong variable of any process.
    """
    _refuse([fault for kind in PROCESS_SETTINGS for fault in _read(kind, overrides)[1]])


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        said = "; ".join(dict.fromkeys(faults))
        raise SettingsError(f"Wrong settings: {said}. See docs/settings.md.")


def _read(
    kind: type[DataSettings], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The values that were given, by field, and what is wrong with the others."""
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field, variable in variables(kind):
        given = overrides.get(field)
        given = os.environ.get(variable.name) if given is None else given
        if given is None or given == "":
            continue
        try:
            values[field] = msgspec.convert(given, hints[field], strict=False, dec_hook=_made)
        except msgspec.ValidationError as problem:
            faults.append(f"{variable.name}: {expected(hints[field], problem)}")
    return values, [*faults, *_halves(kind, values)]


# Each of these is of no use without the other.
_PAIRS = (
    ("cluster_key", "cluster_secret"),
    ("schema_username", "schema_password"),
    ("api", "ingest_key"),
)


def _halves(kind: type[DataSettings], values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with settings that go in pairs."""
    names = {field: variable.name for field, variable in variables(kind)}
    for pair in _PAIRS:
        given = [field for field in pair if field in values]
        if len(given) == 1:
            (missing,) = set(pair) - set(given)
            yield f"{names[missing]}: missing, it goes together with {names[given[0]]}"


def _made(wanted: type, given: Any) -> Any:
    return wanted(given)
