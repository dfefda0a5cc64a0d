"""The workflows of .github/, read as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github/workflows"
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
NAMES = [path.stem for path in WORKFLOWS]


class Job(NamedTuple):
    """A job, and the workflow that it is of."""

    workflow: str
    name: str
    said: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow}-{self.name}"

    def steps(self) -> list[dict[str, Any]]:
        """What it does; none where it calls another workflow."""
        return list(self.said.get("steps", ()))


@cache
def read(path: Path) -> dict[str, Any]:
    """A YAML file. By YAML 1.2, for which `on` is a word and not a truth."""
    return dict(YAML(typ="safe").load(path.read_text()))


def workflow(name: str) -> dict[str, Any]:
    """A workflow by its file's name."""
    return read(FOLDER / f"{name}.yml")


def triggers(name: str) -> dict[str, Any]:
    """What starts a workflow, each with its limits."""
    return {event: limits or {} for event, limits in workflow(name)["on"].items()}


JOBS = [Job(name, job, said) for name in NAMES for job, said in workflow(name)["jobs"].items()]


def used() -> Iterator[tuple[str, str]]:
    """Every `uses` of a file outside of this repository, as its line says it."""
    for path in [*WORKFLOWS, *ACTIONS]:
        for line in path.read_text().splitlines():
            if (found := re.search(r"uses: (.+)$", line)) and not found[1].startswith("./"):
                yield path.stem, found[1]


def named(kind: str) -> set[str]:
    """Every name of `secrets.` or `vars.` that is read anywhere."""
    texts = [path.read_text() for path in [*WORKFLOWS, *ACTIONS]]
    return {name for text in texts for name in re.findall(rf"\b{kind}\.(\w+)", text)}
