"""docs/cli.md: every command with its words and options, from the parsers themselves."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping

from fleetpulse.cli import COMMANDS
from generators.__main__ import KIND, SERVICE_WORDS
from scripts.command_line import main_of, parser_of
from scripts.tables import table

HEAD = """\
# Command line

`fleetpulse COMMAND [options]`, or `python -m fleetpulse.cli` where the program is not in the
path. `--help` after any command tells its options; `fleetpulse --version` its version. Exit
codes: 0 done, 1 it could not be done, 2 wrong usage or settings. Options go over the environment
variables of [settings.md](settings.md).

"""
FOOT = """
This page is made from the parsers of the commands by `make docs`; a test holds them together.
"""
AGAIN = "several times"
Parser = argparse.ArgumentParser


def cli_page() -> str:
    """A part per command, and in it one per word of it."""
    rows = [(f"[`{each.name}`](#fleetpulse-{each.name})", each.help) for each in COMMANDS]
    parts = [_command(each.name, each.help) for each in COMMANDS]
    return HEAD + table(("command", "what it does"), rows) + "".join(parts) + FOOT


def _command(name: str, said: str) -> str:
    asked = [[]] if name != "agent" else [*([kind] for kind in KIND), [SERVICE_WORDS[0]]]
    parsers = [parser_of(main_of(name), words) for words in asked]
    lines = [f"\n## fleetpulse {name}\n\n{_sentence(said)}\n"]
    lines.append(_options(parsers[0]))
    for word, (parser, help_text) in _words(parsers, asked).items():
        lines.append(f"\n### fleetpulse {name} {word}\n\n{_sentence(help_text)}\n")
        lines.append(_options(parser))
    return "".join(lines)


def _words(
    parsers: Iterable[Parser], asked: Iterable[list[str]]
) -> Mapping[str, tuple[Parser, str]]:
    """Word -> its parser and what it does, from the parser that was asked for by this word."""
    found: dict[str, tuple[Parser, str]] = {}
    for parser, words in zip(parsers, asked, strict=True):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                helps = {choice.dest: choice.help for choice in action._choices_actions}
                for word, sub in action.choices.items():
                    if word not in found or word in words:
                        found[word] = sub, helps.get(word) or ""
    return found


def _options(parser: Parser) -> str:
    """What may follow, as a table; empty where nothing may."""
    rows = list(_rows(parser))
    if not rows:
        return ""
    return "\n" + table(("word or option", "", "meaning"), rows)


def _rows(parser: Parser) -> Iterator[tuple[str, str, str]]:
    for action in parser._actions:
        is_help = isinstance(action, argparse._HelpAction)
        if is_help or isinstance(action, argparse._SubParsersAction):
            continue
        must = "required" if action.required and action.nargs not in ("*", "?") else ""
        yield f"`{_shown(action)}`", must, _help(action, parser)


def _shown(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _value(action: argparse.Action) -> str:
    if action.metavar is not None:
        name = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    elif action.choices is not None:
        name = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    else:
        name = action.dest.upper()
    if action.nargs == "?":
        return f"[{name}]"
    if action.nargs == "*":
        return f"[{name} …]"
    return f"{name} …" if action.nargs == "+" else name


def _help(action: argparse.Action, parser: Parser) -> str:
    """Its help, with the default that it names; of an action that may be given again, that."""
    known = {**vars(action), "prog": parser.prog}
    said = (action.help or "") % known
    if isinstance(action, argparse._AppendAction) and AGAIN not in said:
        said += f"; may be given {AGAIN}"
    return said.replace("<", "&lt;")  # else a page shows nothing where it says <kind>


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
