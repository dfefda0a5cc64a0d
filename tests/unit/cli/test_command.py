"""The `fleetpulse` command finds its words, and imports nothing for its help."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from types import ModuleType

import pytest

import fleetpulse
from fleetpulse.cli import COMMANDS, Command, main, usage
from tests.unit.test_house_packaging import packaging


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


def a_command_that_lacks(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fleetpulse keys` becomes one whose module imports what is not there."""

    def lacking(words: list[str]) -> int:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    broken = ModuleType("fleetpulse.cli.keys")
    broken.main = lacking  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fleetpulse.cli.keys", broken)


def test_a_command_whose_extra_is_missing_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_command_that_lacks("sqlalchemy.orm", monkeypatch)

    assert main(["keys", "list"]) == 2

    assert capsys.readouterr().err == (
        "fleetpulse keys: sqlalchemy.orm is not installed; run: pip install 'fleetpulse[api]'\n"
    )


def test_a_module_of_ours_that_is_missing_is_a_fault_and_no_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_command_that_lacks("fleetpulse.keyz", monkeypatch)

    with pytest.raises(ModuleNotFoundError):
        main(["keys", "list"])


@pytest.mark.parametrize("word", ["agent", "up"])
def test_what_only_starts_others_says_so_before_it_starts_them(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert main([word, "--help"]) == 2

    extra = {"agent": "agent", "up": "all"}[word]
    said = capsys.readouterr().err
    assert re.fullmatch(rf"fleetpulse {word}: \w+ is not .*'fleetpulse\[{extra}\]'\n", said)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_names_an_extra_that_there_is(command: Command) -> None:
    assert command.extra in packaging()["extras_require"]


def test_the_command_tells_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"fleetpulse {fleetpulse.__version__}\n"
