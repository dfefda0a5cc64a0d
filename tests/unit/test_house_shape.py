"""The shape of the source: small files, small functions, telling names, nothing left undone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager"}
OURS = ("fleetpulse", "generators", "consumer", "model", "api", "bot", "spark")
FILES = sorted(
    file
    for folder in (*OURS, "tests", "benchmarks", "scripts")
    for file in (ROOT / folder).rglob("*.py")
)

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


@cache
def parsed(file: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(file.read_text())


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@each_file
def test_no_file_is_long(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES_OF_A_FILE


@each_file
def test_no_function_is_long(file: Path) -> None:
    long = {
        f"{node.name}: {length}"
        for node in functions(file)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }

    assert not long


@each_file
def test_no_module_has_a_name_that_says_nothing(file: Path) -> None:
    assert file.stem not in VAGUE


@each_file
def test_every_module_says_what_it_is(file: Path) -> None:
    if file.read_text():
        assert ast.get_docstring(parsed(file))


@each_file
def test_nothing_is_left_undone(file: Path) -> None:
    undone = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b(?! ?\(#\d+\))", file.read_text())

    assert file == Path(__file__) or not undone


@each_file
def test_no_model_file_is_ever_unpickled(file: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(parsed(file))
        for name in imported_by(node)
        if file.relative_to(ROOT).parts[0] in OURS
    }

    assert not imported & {"pickle", "joblib", "dill", "cloudpickle", "shelve"}


def imported_by(node: ast.AST) -> list[str]:
    """The modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
