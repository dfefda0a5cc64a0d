"""The Terraform files of iac/, read as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

from tests.unit.iac.expressions import worked_out

FOLDER = Path(__file__).resolve().parents[3] / "iac"
PROCESSES = ("api", "consumer", "bot", "notify")
_NAME_OF_A_VARIABLE = re.compile(r"\b(?:[A-Z][A-Z0-9]*_)+[A-Z0-9]+\b")


def read(file: Path) -> dict[str, Any]:
    """A file's blocks, with strings out of their quotes and without the parser's own marks."""
    found: dict[str, Any] = _plain(hcl2.loads(file.read_text()))
    return found


@cache
def blocks(kind: str) -> list[dict[str, Any]]:
    """Every block of a kind (resource, data, variable, locals), of all files."""
    return [block for file in sorted(FOLDER.glob("*.tf")) for block in read(file).get(kind, ())]


@cache
def local_values() -> Mapping[str, Any]:
    """Local values by name; what is an expression is its text."""
    return {name: value for block in blocks("locals") for name, value in block.items()}


def named(kind: str, of_type: str) -> dict[str, dict[str, Any]]:
    """Name -> body, of the resources or data of a type."""
    return {name: body for block in blocks(kind) for name, body in block.get(of_type, {}).items()}


def statements(document: str) -> list[dict[str, Any]]:
    """The statements of a policy document, those that are there on a condition too."""
    body = named("data", "aws_iam_policy_document")[document]
    dynamic = [each["statement"]["content"] for each in body.get("dynamic", ())]
    return [*body.get("statement", ()), *(one for content in dynamic for one in content)]


def actions(document: str) -> set[str]:
    """All that a policy document allows."""
    return {action for statement in statements(document) for action in statement["actions"]}


def environment_of(process: str) -> set[str]:
    """The environment variables that a process is given, secrets not among them."""
    values = local_values()
    given = values["environment_of"][process]
    parts = [values["environment_of_all"], given]
    if "local.environment_of_kafka" in str(given):
        parts.append(values["environment_of_kafka"])
    return {name for part in parts for name in _NAME_OF_A_VARIABLE.findall(_text(part))}


def secrets_of(process: str) -> set[str]:
    """The environment variables that a process is given from secrets, in any configuration."""
    values = local_values()
    groups = dict(_groups(values["secrets"]))
    wanted = values["secrets_of"][process]
    return {name for group in wanted for name in groups[group]}


def _groups(expression: str) -> Iterator[tuple[str, list[str]]]:
    """Secret -> its keys, in the text of a merge of objects."""
    for group, keys in re.findall(r"([\w-]+) = \[([^\]]*)\]", expression):
        yield group, re.findall(r'"(\w+)"', keys)


def _text(part: Any) -> str:
    """What names of variables are looked for in: the keys of an object, or an expression."""
    return " ".join(part) if isinstance(part, dict) else str(part)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            _unquoted(name): _plain(value)
            for name, value in node.items()
            if not name.startswith("__")
        }
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return _unquoted(node) if isinstance(node, str) else node


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('\\"', '"') if is_quoted else text


class Installation:
    """iac/ with the values of an environment, and others on top: what Terraform makes of it."""

    def __init__(self, of: str = "dev", /, **given: Any) -> None:
        defaults = {
            name: body["default"]
            for name, body in declared_variables().items()
            if "default" in body
        }
        told = read(FOLDER / f"envs/{of}/terraform.tfvars")
        values = {name: None if value == "null" else value for name, value in defaults.items()}
        self._names = {
            "var": worked_out(values, {}) | worked_out(told, {}) | given,
            "local": _Locals(self.value),
        }

    def local(self, name: str) -> Any:
        """A local value, worked out."""
        return self.value(local_values()[name])

    def value(self, written: Any, **names: Any) -> Any:
        """What anything means here; names are those that only hold there, such as each."""
        return worked_out(written, {**self._names, **names})

    def made(self, of_type: str, name: str) -> dict[str, dict[str, Any]]:
        """Key -> body, of each of what a resource with for_each makes."""
        body = named("resource", of_type)[name]
        keys = self.value(body["for_each"])
        pairs = keys.items() if isinstance(keys, dict) else ((key, key) for key in keys)
        return {key: self.value(body, each={"key": key, "value": value}) for key, value in pairs}

    def counted(self, of_type: str, name: str) -> list[dict[str, Any]]:
        """Each of what a resource with count makes."""
        body = named("resource", of_type)[name]
        return [
            self.value(body, count={"index": index}) for index in range(self.value(body["count"]))
        ]

    def every(self, of_type: str) -> Iterator[dict[str, Any]]:
        """Each of what all resources of a type make: one, by count, or by for_each."""
        for name, body in named("resource", of_type).items():
            if "for_each" in body:
                yield from self.made(of_type, name).values()
            elif "count" in body:
                yield from self.counted(of_type, name)
            else:
                yield self.value(body)

    def dynamic(self, of_type: str, name: str, block: str, key: str) -> list[dict[str, Any]]:
        """The blocks that a resource with for_each makes by `dynamic`, of one of what it makes."""
        body = named("resource", of_type)[name]
        each = {"key": key, "value": self.value(body["for_each"])[key]}
        found = []
        for made in (one[block] for one in body["dynamic"] if block in one):
            values = self.value(made["for_each"], each=each)
            pairs = values.items() if isinstance(values, dict) else ((one, one) for one in values)
            for at, value in pairs:
                names = {block: {"key": at, "value": value}}
                found += self.value(made["content"], each=each, **names)
        return found

    def container(self, process: str) -> dict[str, Any]:
        """The container of a process."""
        found: dict[str, Any] = self.local("containers")[process]
        return found

    def environment(self, process: str) -> dict[str, str]:
        """What a process is told, secrets not among it."""
        return {each["name"]: each["value"] for each in self.container(process)["environment"]}

    def secrets(self, process: str) -> dict[str, str]:
        """Variable -> where its value is, of what a process gets from secrets."""
        return {each["name"]: each["valueFrom"] for each in self.container(process)["secrets"]}


class _Locals(dict[str, Any]):
    """Local values, worked out when they are asked for."""

    def __init__(self, value: Callable[[Any], Any]) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, name: str) -> Any:
        return self._value(local_values()[name])


def declared_variables() -> dict[str, dict[str, Any]]:
    """Name -> body, of every variable."""
    return {name: body for block in blocks("variable") for name, body in block.items()}
