"""The command line as it is: the very parsers that the commands use, caught as they are asked.

For docs/cli.md, and for the tests that hold every command in the docs against them.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from unittest.mock import patch

from fleetpulse.cli import COMMANDS

Main = Callable[[Sequence[str]], int]


class _Asked(Exception):
    """A command has asked its parser, and goes no further."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


def main_of(name: str) -> Main:
    """The function that a command runs. Raises KeyError for a word that is no command."""
    module = {each.name: each.module for each in COMMANDS}[name]
    package = module if "." in module else f"{module}.__main__"
    found: Main = importlib.import_module(package).main
    return found


def parser_of(main: Main, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that this command makes of these words; they are not looked at."""

    def ask(parser: argparse.ArgumentParser, *_: object, **__: object) -> argparse.Namespace:
        raise _Asked(parser)

    return _asked(main, words, ask)


def understood(main: Main, words: Sequence[str]) -> None:
    """Hold words against the parser of their command, which goes no further. Raises SystemExit."""
    parse = argparse.ArgumentParser.parse_args

    def ask(
        parser: argparse.ArgumentParser, args: Sequence[str] | None = None, *_: object
    ) -> argparse.Namespace:
        parse(parser, args)
        raise _Asked(parser)

    with redirect_stdout(StringIO()):  # --help
        _asked(main, words, ask)


def _asked(
    main: Main, words: Sequence[str], ask: Callable[..., argparse.Namespace]
) -> argparse.ArgumentParser:
    try:
        with patch.object(argparse.ArgumentParser, "parse_args", ask):
            main(list(words))
    except _Asked as asked:
        return asked.parser
    raise ValueError(f"{words} were not asked about")
