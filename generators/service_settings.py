"""The settings of the agent that is a service: those that it had, and what is said now."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleetpulse.errors import SettingsError
from fleetpulse.schemas import open_registry
from fleetpulse.settings import AgentSettings, DataSettings, KafkaSettings, load, variables
from fleetpulse.wire import is_identifier
from generators.service_unit import SETTINGS_FILE
from generators.upload import Poster

# The unit says these.
_OF_THE_UNIT = ("FLEETPULSE_DATA", "DEVICE")
_API = ("FLEETPULSE_API", "FLEETPULSE_INGEST_KEY")
_OF_EVERY_PROCESS = {variable.name for _, variable in variables(DataSettings)}
_KAFKA = tuple(
    variable.name
    for _, variable in variables(KafkaSettings)
    if variable.name not in _OF_EVERY_PROCESS
)
_ESCAPED = re.compile(r'\\(["\\$`])')
# What systemd takes for one value on one line: quoted as a whole, or without a quote at its begin.
_VALUE = re.compile(r'"(?P<double>(?:[^"\\]|\\.)*)"|\'(?P<single>[^\']*)\'|(?P<plain>[^"\'].*)?')


def agent_values(options: argparse.Namespace, before: Mapping[str, str]) -> dict[str, str]:
    """The agent's settings: the words go over the environment, and that over those before.

    Raises SettingsError for wrong ones, and when they do not say where the readings go.
    """
    names = {variable.name for _, variable in variables(AgentSettings)} - set(_OF_THE_UNIT)
    given = {
        "FLEETPULSE_API": options.api,
        "FLEETPULSE_INGEST_KEY": _key_in(options.key_file),
        "KAFKA_BROKER_SETTINGS": options.kafka,
        "FLEETPULSE_INTERVAL": options.interval,
        "FLEETPULSE_DEVICE_ID": options.device_id,
    }
    values = _over(before, {name: os.environ[name] for name in names if os.environ.get(name)})
    values = _over(values, {name: text for name, text in given.items() if text})
    if "FLEETPULSE_API" in values:  # as the agent decides; no secret lies there unused
        values = _without(_KAFKA, values)
    elif "KAFKA_BROKER_SETTINGS" not in values:
        raise SettingsError(
            "Say where the readings go: --api URL --key-file FILE, or --kafka SERVERS."
        )
    if "FLEETPULSE_API" in values and "FLEETPULSE_INGEST_KEY" not in values:
        raise SettingsError(
            "--api needs the device's own key: --key-file FILE, - for standard input, or"
            " FLEETPULSE_INGEST_KEY in the environment."
        )
    _check(values)
    return values


def kept_values(root: Path) -> dict[str, str]:
    """The settings that an installation below this root has; none without one.

    Raises SettingsError when they cannot be read.
    """
    try:
        return values_in((root / SETTINGS_FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{root / SETTINGS_FILE} cannot be read.") from problem


def values_in(text: str) -> dict[str, str]:
    """What the lines of an EnvironmentFile set. Raises SettingsError for one that is not plain."""
    values: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if not line or line[0] in "#;":
            continue
        name, _, written = line.partition("=")
        found = _VALUE.fullmatch(written.strip())
        if found is None or written.endswith("\\") or not name.strip().isidentifier():
            raise SettingsError(
                f"/{SETTINGS_FILE}: the line of {name.strip()[:64]!r} cannot be read;"
                ' write it as NAME="value", on one line.'
            )
        double, single, plain = found["double"], found["single"], found["plain"]
        if double is not None:
            values[name.strip()] = _ESCAPED.sub(r"\1", double)
        else:
            values[name.strip()] = single if single is not None else _plain(plain or "")
    return values


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _over(before: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """`more` over those before; who now says Kafka no longer means the API."""
    if "KAFKA_BROKER_SETTINGS" in more and "FLEETPULSE_API" not in more:
        before = _without(_API, before)
    return {**before, **more}


def _without(names: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    gone = set(names)
    return {name: text for name, text in values.items() if name not in gone}


def _check(values: Mapping[str, str]) -> None:
    """Raises SettingsError for what the agent would not start with."""
    fields = {variable.name: field for field, variable in variables(AgentSettings)}
    known = {fields[name]: text for name, text in values.items() if name in fields}
    settings = load(AgentSettings, **known)
    device_id = values.get("FLEETPULSE_DEVICE_ID")
    if device_id is not None and not is_identifier(device_id):
        raise SettingsError("--device-id must be 1 to 64 of A-Z a-z 0-9 . _ -")
    if "FLEETPULSE_API" in values:
        Poster(values["FLEETPULSE_API"], values["FLEETPULSE_INGEST_KEY"])  # asks nothing yet
    if "KAFKA_SCHEMA_ENDPOINT" in values:
        open_registry(settings)  # asks nothing yet; it needs an extra


def _key_in(file: str | None) -> str | None:
    """The key in a file. Raises SettingsError."""
    if file is None:
        return None
    try:
        key = (sys.stdin.read() if file == "-" else Path(file).read_text()).strip()
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise SettingsError(f"--key-file {file} cannot be read ({why}).") from problem
    if not key:
        raise SettingsError(f"--key-file {file}: there is no key in it.")
    return key
