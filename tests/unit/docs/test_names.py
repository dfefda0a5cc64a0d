"""Names on our pages are names of the code: settings, metrics, words of the chat, ports, …"""

from __future__ import annotations

import re

import pytest

from api.access import NEEDS
from bot.commands import COMMANDS
from fleetpulse import __version__, cli
from fleetpulse.metrics import METRIC
from generators.service_unit import SERVICE
from tests.shell_blocks import PAGES
from tests.source import ROOT
from tests.unit.docs.test_commands import EXTRAS, TARGETS, VARIABLES

SETTING = re.compile(r"\b(?:FLEETPULSE|KAFKA|SCHEMA|TELEGRAM)_[A-Z_]*[A-Z]")
ASSIGNED = re.compile(r"\b([A-Z][A-Z_]*)=")
METRIC_NAME = re.compile(r"\bfleetpulse_[a-z_]+")
SLASHED = re.compile(r"(?:^|(?<= ))/([a-z]+)(?![\w/.:])")
MADE = re.compile(r"^(?:\S+=\S* )*make ([a-z]+)")
EXTRA = re.compile(r"\bfleetpulse\[([a-z,]+)\]")
DOCKERFILE = re.compile(r"(?<= -f )\S+")
UNIT = re.compile(r"\b(?:systemctl [a-z-]+(?: --now)?|journalctl (?:\S+ )*-u) +([\w.@-]+)")
OPS_PORT = re.compile(r"\b91\d\d\b")
TARGET = re.compile(r'"([a-z]+)[\w-]*:(91\d\d)"')

# Of shells, Docker and make; and words that stand for others.
OTHER_VARIABLES = {
    "CHANNEL",
    "CI",
    "COMPOSE_PROFILES",
    "EXTRAS",
    "NAME",
    "PORT",
    "RULE",
}
OTHER_METRICS = {
    "fleetpulse_dynamodb",  # a volume of deploy/compose.yaml
    "fleetpulse_version",  # a table of the stores
}
# Folders, BotFather's own word, and pages of `fleetpulse up` and of the bot's simulator.
OTHER_SLASHED = {
    "chat",
    "data",
    "home",
    "newbot",
    "proc",
    "root",
    "sys",
    "telegram",
    "tmp",
    "troubles",
}
ROUTES = {rule.removeprefix("/api/v1").strip("/") for rule in NEEDS}
OPS_PORTS = {
    process: re.findall(r"FLEETPULSE_OPS_PORT=(\d+)", (ROOT / folder / "Dockerfile").read_text())[0]
    for process, folder in {
        "consumer": "consumer",
        "bot": "bot",
        "notify": "fleetpulse/actions",
        "agent": "generators",
    }.items()
}
each_page = pytest.mark.parametrize("page", PAGES)


def wrong_names(text: str) -> set[str]:
    """What a page names and the code does not have."""
    spans = code_spans(text)
    made = [target for span in spans for target in MADE.findall(span)]
    told = [span for span in spans if span.startswith("/")]  # to the bot, or to the API
    slashed = {word for span in told for word in SLASHED.findall(span)}
    assigned = {name for span in spans for name in ASSIGNED.findall(span)}
    words = {command.name for command in COMMANDS}
    return {
        *(assigned - VARIABLES - OTHER_VARIABLES),
        *(name for name in SETTING.findall(text) if not is_setting(name)),
        *(name for name in METRIC_NAME.findall(text) if not is_metric(name)),
        *(slashed - words - ROUTES - OTHER_SLASHED),
        *(set(made) - set(TARGETS)),
        *(name for names in EXTRA.findall(text) for name in names.split(",") if name not in EXTRAS),
        *(path for path in DOCKERFILE.findall(text) if is_lost(path)),
        *(unit for unit in UNIT.findall(text) if not is_unit(unit)),
        *(set(OPS_PORT.findall(text)) - set(OPS_PORTS.values())),
        *(f"{name}:{port}" for name, port in TARGET.findall(text) if is_elsewhere(name, port)),
    }


def code_spans(text: str) -> list[str]:
    """What stands between backticks in a page, each on one line; blocks count as sentences."""
    sentences = re.sub(r"^ *```.*$", "", text, flags=re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", sentences)]


def is_setting(name: str) -> bool:
    of_compose = name == "FLEETPULSE_PUBLIC_NAME"
    return name in VARIABLES or of_compose


def is_metric(name: str) -> bool:
    """Whether somebody tells it; of a histogram, also its parts."""
    parts = {re.sub(r"_(bucket|sum|count)$", "", name), name}
    return bool(parts & METRIC.keys()) or name in OTHER_METRICS


def is_unit(name: str) -> bool:
    """Whether it is the agent's, or the one of all other parts with a command of ours."""
    part = name.removeprefix("fleetpulse@").removesuffix(".service")
    return part in {SERVICE, "", *(command.name for command in cli.COMMANDS)}


def is_lost(path: str) -> bool:
    return "Dockerfile" in path and not (ROOT / path).is_file()


def is_elsewhere(name: str, port: str) -> bool:
    """Whether a process does not answer on that port in its image."""
    return name in OPS_PORTS and OPS_PORTS[name] != port


@each_page
def test_every_name_is_one_of_the_code(page: str) -> None:
    assert wrong_names((ROOT / page).read_text()) == set()


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("set FLEETPULSE_PINGURL", "FLEETPULSE_PINGURL"),
        ("`fleetpulse_consumer_lagg` falls", "fleetpulse_consumer_lagg"),
        ("`pip install 'fleetpulse[konsumer]'`", "konsumer"),
        ("`a &&\nsudo systemctl restart fleetpuls-agent`", "fleetpuls-agent"),
        ("`journalctl -u fleetpulse-agnt`", "fleetpulse-agnt"),
        ("`TELEGRAM_TOKENS=… make up`", "TELEGRAM_TOKENS"),
        ("`TELEGRAM_TOKEN=… make upp`", "upp"),
        ("on ports 9101 and 9105", "9105"),
        ('targets: ["consumer-1:9102"]', "consumer:9102"),
        ("docker build -f apis/Dockerfile .", "apis/Dockerfile"),
        ("send `/snoze 2h`", "snoze"),
        ("asks `/healthy`", "healthy"),
    ],
)
def test_a_name_that_the_code_does_not_have_is_found(said: str, wrong: str) -> None:
    assert wrong in wrong_names(said)


@each_page
def test_a_wheel_that_is_named_is_of_this_version(page: str) -> None:
    wheels = re.findall(r"fleetpulse-([\w.]+)-py3-none-any", (ROOT / page).read_text())

    assert set(wheels) <= {__version__}
