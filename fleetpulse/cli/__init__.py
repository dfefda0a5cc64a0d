"""The `fleetpulse` command: a table of what it can do; each row is imported only when it is run."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from fleetpulse import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A word, what it does, and the module whose `main(argv)` does it."""

    name: str
    help: str
    module: str
    extra: str = "api"  # what `pip install 'fleetpulse[…]'` must have; of any that opens stores
    replaces: bool = False  # run in place of this process, which then carries nothing of ours
    needs: tuple[str, ...] = ()  # modules that only the processes which it starts import


OURS = frozenset({"fleetpulse", "generators", "consumer", "model", "api", "bot"})
NOT_INSTALLED = 2  # as for wrong settings: it will not start as things are


COMMANDS: tuple[Command, ...] = (
    Command(
        name="up",
        help="run everything on this machine",
        module="fleetpulse.cli.up",
        extra="all",
        needs=("psutil", "sklearn", "sqlalchemy", "flask_restx", "telegram"),
    ),
    Command(
        name="agent",
        help="measure, simulate or replay a machine; install: as a service",
        module="generators",
        extra="agent",
        replaces=True,
        needs=("confluent_kafka", "psutil"),
    ),
    Command(
        name="consume",
        help="score readings from Kafka and store them",
        module="consumer",
        extra="consumer",
    ),
    Command(name="api", help="serve the REST API and the dashboard", module="api"),
    Command(name="bot", help="answer and warn on Telegram", module="bot", extra="bot"),
    Command(
        name="notify",
        help="warn by e-mail, webhook and 100+ services",
        module="fleetpulse.actions.__main__",
        extra="notify",
    ),
    Command(
        name="chats",
        help="show a code that makes a chat somebody's, and whose chats are",
        module="fleetpulse.cli.chats",
    ),
    Command(
        name="devices",
        help="add a machine: a key, and the line that installs its agent",
        module="fleetpulse.cli.devices",
    ),
    Command(name="groups", help="put devices under one name", module="fleetpulse.cli.groups"),
    Command(name="keys", help="make, list and end keys of the API", module="fleetpulse.cli.keys"),
    Command(
        name="models",
        help="list, publish and promote models, and go back",
        module="fleetpulse.cli.models",
        extra="consumer",
    ),
    Command(
        name="score",
        help="predict for the readings of a CSV file",
        module="fleetpulse.cli.score",
        extra="consumer",
    ),
    Command(
        name="backtest",
        help="hold what would have been warned of against what happened",
        module="fleetpulse.cli.backtest",
        extra="consumer",
    ),
    Command(
        name="doctor",
        help="what this machine can measure, and whether all that is set answers",
        module="fleetpulse.cli.doctor",
    ),
    Command(
        name="backup",
        help="copy the SQLite store to a file while it is in use",
        module="fleetpulse.cli.backup",
    ),
    Command(
        name="restore",
        help="put such a copy where the store is to be",
        module="fleetpulse.cli.restore",
    ),
    Command(name="train", help="train the models", module="fleetpulse.cli.train", extra="train"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"fleetpulse {__version__}\n")
        return 0
    for command in COMMANDS:
        if command.name == words[0]:
            return _run(command, words[1:])
    sys.stderr.write(f"fleetpulse: there is no command {words[0]!r}\n\n{usage()}")
    return 2


def usage() -> str:
    """The help text, made from the table."""
    rows = "\n".join(f"  {command.name:<10}{command.help}" for command in COMMANDS)
    return (
        "usage: fleetpulse COMMAND [options]\n\n"
        "Watches machines and says before one of them gets into trouble.\n\n"
        f"commands:\n{rows}\n\n"
        "`fleetpulse COMMAND --help` tells a command's options; `fleetpulse up` is the start.\n"
    )


def _run(command: Command, words: Sequence[str]) -> int:
    for needed in command.needs:
        if importlib.util.find_spec(needed) is None:
            return _lacking(command, needed)
    if command.replaces:
        os.execv(sys.executable, [sys.executable, "-m", command.module, *words])  # noqa: S606
    name = command.module if "." in command.module else f"{command.module}.__main__"
    try:
        return int(importlib.import_module(name).main(words))
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] in OURS:
            raise
        return _lacking(command, problem.name)


def _lacking(command: Command, module: str) -> int:
    """Say what to install; the exit code."""
    sys.stderr.write(
        f"fleetpulse {command.name}: {module} is not installed; run:"
        f" pip install 'fleetpulse[{command.extra}]'\n"
    )
    return NOT_INSTALLED
