"""The `fleetpulse` command finds its words, and imports nothing for its help."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from fleetpulse.cli import COMMANDS, Command, main, usage


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    printed = capsys.readouterr().out
    assert all(command.name in printed for command in COMMANDS)
    assert printed == usage()


def test_help_imports_no_process() -> None:
    code = (
        "import sys, fleetpulse.cli; fleetpulse.cli.main(['--help']);"
        "heavy = {'numpy', 'sklearn', 'flask', 'telegram', 'sqlalchemy', 'confluent_kafka'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_word_that_is_no_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "there is no command 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_leads_to_a_module_that_exists(command: Command) -> None:
    name = command.module if "." in command.module else f"{command.module}.__main__"

    assert importlib.util.find_spec(name) is not None
