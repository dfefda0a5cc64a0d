"""docs/tutorial.md: what a command prints there is what it prints, but for keys and codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generators.service_unit import SETTINGS_FILE
from tests.integration.docs.places import Place
from tests.shell_blocks import ROOT

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs/tutorial.md").read_text()
SHOWN = re.findall(
    r"<!-- run: stack -->\n```sh\n(.+?)\n```\n.*?```text\n(.+?)\n```", PAGE, re.DOTALL
)
# What differs each time, and what stands for it on the page.
DIFFERS = (
    (re.compile(r"\bfp_[a-z0-9]+_(?:[a-z0-9]+|…)"), "KEY"),
    (re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b"), "CODE"),
    (re.compile(r"revoke [a-z0-9]+"), "revoke ID"),
)


def told(text: str) -> list[str]:
    """The lines without what differs."""
    for differs, word in DIFFERS:
        text = differs.sub(word, text)
    return text.strip().split("\n")


def test_the_page_shows_what_is_printed() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[shown[0] for shown in SHOWN])
def test_a_command_prints_what_the_page_shows(command: str, printed: str, tmp_path: Path) -> None:
    done = Place(folder=tmp_path).run(command)

    assert done.returncode == 0, done.stderr
    assert told(done.stdout + done.stderr) == told(printed)


def test_the_end_of_an_installation_is_as_the_page_shows() -> None:
    source = (ROOT / "generators/service.py").read_text()

    assert f"Its settings are in /{SETTINGS_FILE}." in PAGE
    [said] = re.findall(r'_say\("(The agent runs.+?)"\)', source)
    assert said in PAGE


def test_the_bots_answer_is_as_the_page_shows() -> None:
    [said] = re.findall(r'Post\(f"(Hello .+?)"\)', (ROOT / "bot/answers.py").read_text())

    assert said.replace("{escape(person.name)}", "Ada") in " ".join(PAGE.split())
