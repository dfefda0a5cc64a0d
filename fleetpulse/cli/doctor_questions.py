"""What `fleetpulse doctor` asks: a row for each part that settings name.

A question gives a sentence when its part answers, raises NotSet when no setting names one, and
NotWell or a FleetpulseError that says what to do otherwise. Clients are imported only when they are
needed.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleetpulse.address import BROKER_FILE, running_address
from fleetpulse.settings import (
    AgentSettings,
    BotSettings,
    DataSettings,
    KafkaSettings,
    ModelSettings,
    Settings,
    StoreSettings,
    check_all,
    load,
)
from fleetpulse.wire import is_identifier

CLIENT_S = 4.0  # so that a client's own sentence comes before the doctor's patience ends
_MOST_BYTES = 65_536
SERVICE_SETTINGS = Path("/etc/fleetpulse/agent.env")  # of `fleetpulse agent install`


class NotSet(Exception):
    """No setting names this part, which is no fault; the message says what holds then."""


class NotWell(Exception):
    """This part is set and does not answer as it should; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A part, and how to find out whether it answers."""

    part: str
    variable: str  # that names it
    extra: str  # that installs its client
    ask: Callable[[], str]


def every_setting() -> str:
    """That every process could start with what is set."""
    check_all()
    device_id = load(AgentSettings).device_id
    if device_id is not None and not is_identifier(device_id):
        raise NotWell("FLEETPULSE_DEVICE_ID must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return "each that is set can be read"


def _settings(kind: type[Settings]) -> Settings:
    """Those of a part. What is wrong with those of all is told once, by `every_setting`."""
    of_all = {field.name: field.default for field in fields(DataSettings) if field.name != "data"}
    return load(kind, **of_all)


def broker() -> str:
    """Where Kafka answers, and what is there."""
    settings = _settings(KafkaSettings)
    if settings.bootstrap_servers is None and not running_address(settings.data / BROKER_FILE):
        raise NotSet("KAFKA_BROKER_SETTINGS is not set, and no `fleetpulse up` runs here")
    from fleetpulse import kafka

    config = kafka.client_config(settings)
    cluster = kafka.cluster_seen(config, CLIENT_S)
    return (
        f"{config['bootstrap.servers']}: brokers {len(cluster.brokers)},"
        f" topics {len(cluster.topics)}"
    )


def schema_registry() -> str:
    """That the schema registry answers."""
    from fleetpulse.schemas import open_registry

    registry = open_registry(_settings(KafkaSettings))
    if registry is None:
        raise NotSet("records are plain JSON")
    with closing(registry):
        registry.check()
    return "answers"


def store() -> str:
    """That the store answers."""
    settings = _settings(StoreSettings)
    from fleetpulse.stores import open_existing

    if settings.store is None and not Path(settings.data / "fleetpulse.db").is_file():
        raise NotSet(f"there is no store in {settings.data} yet; the first process makes one")
    opened = open_existing(settings.store_url, aws=settings.aws, retention=settings.retention)
    with closing(opened):
        opened.check()
    return f"{settings.store_url.partition(':')[0]} answers"


def models() -> str:
    """Where the models are, and of which version."""
    settings = _settings(ModelSettings)
    from model.registry import open_registry

    registry = open_registry(settings.models, aws=settings.aws, key=settings.model_key)
    with closing(registry):
        current = registry.current()
        versions = ", ".join(f"{name} {card.version}" for name, card in sorted(current.items()))
        return f"{versions or 'none is promoted'} ({settings.models or 'those that are shipped'})"


def telegram() -> str:
    """Which bot the token is of."""
    settings = _settings(BotSettings)
    if settings.token is None:
        raise NotSet("without TELEGRAM_TOKEN the bot serves the local chat of `fleetpulse up`")
    from bot.addressing import address_of

    address = address_of(settings)
    status, said = _answer_of(f"{address.root}/bot{address.token}/getMe", "FLEETPULSE_TELEGRAM_API")
    if status in (401, 404):  # of a token that is none, the second
        raise NotWell(
            f"{address.root} does not know TELEGRAM_TOKEN; ask @BotFather for the bot's token."
        )
    try:
        return f"@{json.loads(said)['result']['username']} at {address.root}"
    except (ValueError, LookupError, TypeError):
        raise NotWell(
            f"What answers at {address.root} is no Bot API ({status}); check"
            " FLEETPULSE_TELEGRAM_API."
        ) from None


def ingest_api() -> str:
    """That the API that this machine's agent sends to takes its key for this device."""
    settings = _settings(AgentSettings)
    if settings.api is None or settings.ingest_key is None:  # both are set, or neither
        raise NotSet(_nowhere(settings))
    where = _shown(settings.api, "FLEETPULSE_API")
    from generators.agent import host_name
    from generators.upload import Poster, key_tried, told

    device_id = settings.device_id or host_name()
    with closing(Poster(settings.api, settings.ingest_key.get_secret_value(), CLIENT_S)) as post:
        answer = key_tried(post, device_id)
    if answer.accepted is None:
        raise NotWell(f"{where}: {told(answer)}")
    return f"{where} answers, and takes the key for {device_id}"


def _nowhere(settings: AgentSettings) -> str:
    """Why no API is asked: whoever runs doctor may not have the settings of the service."""
    if settings.bootstrap_servers is None and _is_there(SERVICE_SETTINGS):
        return (
            f"the agent of this machine has its settings in {SERVICE_SETTINGS}; to ask with them:"
            f" sudo sh -c 'set -a; . {SERVICE_SETTINGS}; {sys.executable} -m fleetpulse.cli doctor'"
        )
    return "an agent here publishes to Kafka"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # of a folder that root alone may look into
        return True


QUESTIONS: tuple[Question, ...] = (
    Question(part="settings", variable="FLEETPULSE_DATA", extra="agent", ask=every_setting),
    Question(part="broker", variable="KAFKA_BROKER_SETTINGS", extra="agent", ask=broker),
    Question(
        part="schema registry",
        variable="KAFKA_SCHEMA_ENDPOINT",
        extra="schema",
        ask=schema_registry,
    ),
    Question(part="API for agents", variable="FLEETPULSE_API", extra="agent", ask=ingest_api),
    Question(part="store", variable="FLEETPULSE_STORE", extra="consumer", ask=store),
    Question(part="models", variable="FLEETPULSE_MODELS", extra="consumer", ask=models),
    Question(part="Telegram", variable="TELEGRAM_TOKEN", extra="bot", ask=telegram),
)


def _answer_of(url: str, variable: str) -> tuple[int, bytes]:
    """Status and body that come from there. Raises NotWell, which does not show the path.

    variable: that holds the address. The path may hold a secret, so redirects are not followed.
    """
    where = _shown(url, variable)
    try:
        request = urllib.request.Request(url)  # noqa: S310 - _shown takes http and https only
        with _OPENER.open(request, timeout=CLIENT_S) as response:
            return int(response.status), response.read(_MOST_BYTES)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        raise NotWell(f"{where} does not answer ({why}); start it, or check {variable}.") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


def _shown(url: str, variable: str) -> str:
    """The address without its path. Raises NotWell for none, and for one with a user in it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise NotWell(f"{variable} must be an address such as https://HOST.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"
