"""deploy/compose.yaml and what lies beside it, read as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fleetpulse.settings import (
    AgentSettings,
    ApiSettings,
    BotSettings,
    ConsumerSettings,
    DataSettings,
    NotifySettings,
)

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy"
SETTINGS: Mapping[str, type[DataSettings]] = {
    "first-start": ApiSettings,
    "api": ApiSettings,
    "consumer": ConsumerSettings,
    "bot": BotSettings,
    "notify": NotifySettings,
    "agent": AgentSettings,
}
# ${NAME}, ${NAME:-default} and ${NAME:?complaint}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@cache
def read(path: str) -> Any:
    """A YAML file of deploy/."""
    return YAML(typ="safe", pure=True).load(FOLDER / path)


def services() -> dict[str, dict[str, Any]]:
    """Services by name."""
    found: dict[str, dict[str, Any]] = read("compose.yaml")["services"]
    return found


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a service is told, with these values of .env."""
    written = services()[service].get("environment", {})
    return {name: filled(str(value), given) for name, value in written.items()}


def filled(text: str, given: Mapping[str, str]) -> str:
    """A value with its variables in place, as Compose does it. Raises KeyError if it insists."""

    def value_of(found: re.Match[str]) -> str:
        name, how, words = found.groups()
        value = given.get(name, "")
        if not value and how == "?":
            raise KeyError(name)
        return value or (words if how == "-" else "")

    return VARIABLE.sub(value_of, text)


def folder_of(service: str) -> str:
    """The folder of the Dockerfile that a service of ours is built from."""
    return str(Path(services()[service]["build"]["dockerfile"]).parent)


def given_by(env_file: Path) -> dict[str, str]:
    """What a file of the form of .env says."""
    lines = (line for line in env_file.read_text().splitlines() if "=" in line and line[0] != "#")
    pairs = (line.split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in pairs}


def scraped() -> Iterator[tuple[str, str, int]]:
    """Job, host and port of everything that Prometheus reads."""
    for job in read("prometheus/prometheus.yaml")["scrape_configs"]:
        for config in job.get("static_configs", ()):
            for target in config["targets"]:
                host, port = target.split(":")
                yield job["job_name"], host, int(port)
        for config in job.get("dns_sd_configs", ()):
            for name in config["names"]:
                yield job["job_name"], name, config["port"]
