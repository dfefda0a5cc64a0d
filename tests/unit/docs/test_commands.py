"""Every command on our pages is one that works, is run by a test, or says why it is not."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re

import pytest

from fleetpulse.cli import COMMANDS
from fleetpulse.settings import PROCESS_SETTINGS, variables
from generators.__main__ import KIND, SERVICE_WORDS
from scripts.command_line import Main, main_of, parser_of, understood
from tests.integration.docs.places import PLACES
from tests.shell_blocks import PAGES, Block, blocks, blocks_of, commands
from tests.source import ROOT

# What a page may ask for that no test has.
NEEDS = {
    "a Confluent Cloud account",
    "a Docker engine",
    "a Raspberry Pi",
    "a Telegram account",
    "an AWS account",
    "Terraform, tflint and checkov",
    "a server with systemd",
    "cron",
    "recordings of others",
    "the tools of Apache Kafka",
}
OURS = ("fleetpulse", "generators", "consumer", "model", "api", "bot", "benchmarks", "scripts")
VARIABLES = {variable.name for kind in PROCESS_SETTINGS for _, variable in variables(kind)}
FROM_ANOTHER_PACKAGE = {"greenhouse"}  # the example of docs/extending.md
EXTRAS = re.findall(r'^    "(\w+)": [A-Z\[]', (ROOT / "setup.py").read_text(), re.MULTILINE)
TARGETS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
_ASSIGNED = re.compile(r"([A-Za-z_]+)=(.*)", re.DOTALL)
# A command between backticks, at any place in it: after sudo, with its folder, in a `sh -c '…'`.
_SPOKEN = re.compile(r"(?<![^\s'\"(;&|])(?:[\w./]*/)?fleetpulse ([a-z][^;&'\")]*)")
_WHEN = re.compile(r"(?:[\d*/,-]+ ){5}(?=\S)")  # of a line for cron

each_block = pytest.mark.parametrize("block", list(blocks()), ids=str)


class NotProven(Exception):
    """Nothing here can tell whether this command works."""


def prove(words: list[str]) -> None:
    """Hold a command against the code. Raises NotProven or AssertionError."""
    words = without_what_is_set(without_when(words))
    if words[:1] == ["sudo"]:
        words = [word for word in words[1:] if word != "-E"]
    if not words:
        return
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program == "fleetpulse":
        prove_ours(arguments)
    elif program in ("sh", "bash") and arguments[:1] == ["-c"]:
        prove_all(arguments[1])
    elif program == "python" and arguments[:1] == ["-m"]:
        prove_module(arguments[1], arguments[2:])
    elif program == "make":
        targets = [word for word in arguments if "=" not in word]
        assert set(targets) <= set(TARGETS), f"make has no {targets}"
    elif program == "export":
        assert without_what_is_set(arguments) == []
    elif program == "cd":
        assert (ROOT / arguments[0]).is_dir(), f"there is no folder {arguments[0]}"
    elif program == "pip" and (asked := re.fullmatch(r"fleetpulse\[(\w+)\]", arguments[-1])):
        assert asked[1] in EXTRAS, f"there is no extra {asked[1]}"
    else:
        raise NotProven(" ".join(words))


def prove_all(script: str) -> None:
    """Hold every command of a script against the code, also those after one that is not ours."""
    not_proven = []
    for words in commands(script):
        try:
            prove(words)
        except NotProven as problem:
            not_proven.append(str(problem))
    if not_proven:
        raise NotProven("; ".join(not_proven))


def without_when(words: list[str]) -> list[str]:
    """The words of a line for cron without its five times; those of any other as they are."""
    return words[5:] if _WHEN.match(" ".join(words)) else words


def in_one_word(words: list[str]) -> list[str]:
    """The words with each `$(…)`, which a shell makes one of, as one."""
    whole: list[str] = []
    for word in words:
        is_inside = bool(whole) and whole[-1].count("$(") > whole[-1].count(")")
        whole[-1:] = [f"{whole[-1]} {word}"] if is_inside else [*whole[-1:], word]
    return whole


def without_what_is_set(words: list[str]) -> list[str]:
    """The words after those that set a variable, which must be one that somebody reads."""
    while words and (assigned := _ASSIGNED.fullmatch(words[0])):
        is_of_the_shell = assigned[1].islower()
        assert is_of_the_shell or assigned[1] in VARIABLES, f"nobody reads {words[0]}"
        words = words[1:]
    return words


def prove_ours(arguments: list[str]) -> None:
    """Hold a `fleetpulse` command against its own parser."""
    name, *rest = in_one_word(arguments)
    if name in ("--help", "--version"):
        return
    if (name, rest) == ("agent", []):
        return  # DEVICE picks one
    check(main_of(name), rest)


def check(main: Main, words: list[str]) -> None:
    """Hold words against the parser of their command."""
    try:
        understood(main, words)
    except SystemExit as ended:
        if ended.code != 0:  # 0: --help
            raise AssertionError(f"{words} are not understood") from ended


def prove_module(module: str, arguments: list[str]) -> None:
    """Hold `python -m MODULE` against that module's own parser."""
    assert module.split(".")[0] in OURS, module
    found = importlib.util.find_spec(module)
    assert found is not None, f"there is no {module}"
    is_package = found.submodule_search_locations is not None
    main = importlib.import_module(f"{module}.__main__" if is_package else module).main
    check(main, arguments)


@each_block
def test_every_command_of_ours_is_understood(block: Block) -> None:
    for words in commands(block.text):
        try:
            prove(words)
        except NotProven:
            assert block.mark, f"{block}: {words} is neither proven nor marked"


@each_block
def test_a_block_says_how_it_is_proven(block: Block) -> None:
    assert block.mark, f"{block} says neither what runs it nor what it needs"


@each_block
def test_a_mark_holds(block: Block) -> None:
    if block.mark == "needs":
        assert block.said in NEEDS
    elif block.mark == "run by":
        assert_run_by(block, block.said.split(", "))
    elif block.mark == "run":
        assert block.said in PLACES


def assert_run_by(block: Block, files: list[str]) -> None:
    """These tests exist, and say the word of each command that has words."""
    assert all(file.startswith(("tests/", ".ci/", ".github/workflows/")) for file in files)
    tests = "".join((ROOT / file).read_text() for file in files)
    for words in commands(block.text):
        name, *rest = [word for word in words if word not in ("sudo", "-E")]
        if name.endswith("fleetpulse") and rest[1:] and re.fullmatch("[a-z]+", rest[1]):
            assert re.search(rf"\b{rest[1]}\b", tests), f"{files} do not run {words}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_a_sentence_have_words_and_options_that_exist(page: str) -> None:
    assert_spoken_exist(page, (ROOT / page).read_text())


def assert_spoken_exist(page: str, text: str) -> None:
    """Hold commands between backticks against all that may follow them."""
    sentences = re.sub(r"^ *```.*$", "", text, flags=re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", sentences)]
    for spoken in [found for span in spans for found in _SPOKEN.findall(span)]:
        words = re.split(r"[\s|,]+", spoken)
        known = words_and_options(words[0])
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known | {"--help"}, f"{page}: fleetpulse {spoken}"
        if known_words := {word for word in known if not word.startswith("-")}:
            second = words[1:2]
            is_word = bool(second) and re.fullmatch(r"[a-z]+", second[0]) is not None
            assert not is_word or second[0] in known_words | FROM_ANOTHER_PACKAGE, spoken


def words_and_options(name: str) -> set[str]:
    """All that may follow a command, at any place."""
    assert name in {each.name for each in COMMANDS}, f"there is no fleetpulse {name}"
    asked = [[]] if name != "agent" else [*([kind] for kind in KIND), [SERVICE_WORDS[0]]]
    found: set[str] = set()
    waiting = [parser_of(main_of(name), words) for words in asked]
    while waiting:
        for action in waiting.pop()._actions:
            found |= set(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                found |= set(action.choices)
                waiting.extend(action.choices.values())
            elif action.choices is not None:
                found |= {str(choice) for choice in action.choices}
    return found


def test_a_block_that_is_neither_proven_nor_marked_is_found() -> None:
    [block] = blocks_of("a page", "Do this:\n\n```\nrm -r /\n```\n")

    with pytest.raises(AssertionError, match="neither proven nor marked"):
        test_every_command_of_ours_is_understood(block)


@pytest.mark.parametrize(
    "text",
    [
        "fleetpulse agent pc --no-such-option",
        "fleetpulse keys create",
        "FLEETPULSE_NO_SUCH=1 fleetpulse up",
        "make no-such-target",
        "pip install 'fleetpulse[nosuch]'",
        "cd nowhere",
        "sudo sh -c 'set -a; . /etc/agent.env; /opt/fleetpulse/bin/fleetpulse doktor'",
        "0 3 * * * fleetpulse backup --replaze /backups/fleet-$(date +%u).db",
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    [words] = commands(text)

    with pytest.raises((AssertionError, KeyError)):
        prove(words)


@pytest.mark.parametrize(
    "said",
    [
        "`sudo /opt/fleetpulse/bin/fleetpulse agent uninstall --purgee`",
        "`sudo sh -c 'set -a; . /etc/agent.env; fleetpulse doktor'`",
        "`fleetpulse\nbackup --replaze FILE`",
        "`x && fleetpulse keys creat pi`",
    ],
)
def test_a_command_in_a_sentence_that_does_not_exist_is_found(said: str) -> None:
    with pytest.raises(AssertionError):
        assert_spoken_exist("a page", said)


def test_a_line_for_cron_is_held_to_its_end() -> None:
    [words] = commands("0 3 * * * fleetpulse backup --replace /b/fleet-$(date +%u).db")

    prove(words)


def test_a_command_ends_where_the_shell_says() -> None:
    text = "export A='x\n  y'  # why\nb --c \\\n  d && e; f | g &\nh  # fleetpulse nothing\n"

    assert list(commands(text)) == [
        ["export", "A=x\n  y"], ["b", "--c", "d"], ["e"], ["f"], ["g"], ["h"],
    ]  # fmt: skip


def test_a_mark_counts_only_right_above_its_block() -> None:
    page = "<!-- needs: a Raspberry Pi -->\n```sh\na\n```\n\n<!-- run: api -->\n\n```sh\nb\n```\n"

    assert [(block.mark, block.line) for block in blocks_of("p", page)] == [("needs", 2), (None, 8)]


def test_every_page_with_commands_is_looked_at() -> None:
    looked_at = {block.page for block in blocks()}

    assert {"README.md", "docs/tutorial.md", "generators/README.md", "iac/README.md"} <= looked_at
