"""Terraform's expressions worked out: as much of the language as iac/ uses."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

Names = Mapping[str, Any]
Meaning = Callable[[Names], Any]

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FOR, _IF = re.compile(r"for\s"), re.compile(r"if\s")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_BINARY: tuple[dict[str, Callable[[Any, Any], Any]], ...] = (
    {"||": lambda one, other: one or other},
    {"&&": lambda one, other: one and other},
    {"==": lambda one, other: one == other, "!=": lambda one, other: one != other},
    {
        "<=": lambda one, other: one <= other,
        ">=": lambda one, other: one >= other,
        "<": lambda one, other: one < other,
        ">": lambda one, other: one > other,
    },
    {"+": lambda one, other: one + other, "-": lambda one, other: one - other},
    {"*": lambda one, other: one * other, "/": lambda one, other: one / other},
)


class OnlyAwsKnows(str):
    """What a resource will have once it is made, by its address."""

    __slots__ = ()


def worked_out(written: Any, names: Names) -> Any:
    """A value as the parser gives it, with every expression in it replaced by what it means."""
    if isinstance(written, dict):
        return {name: worked_out(value, names) for name, value in written.items()}
    if isinstance(written, list):
        return [worked_out(value, names) for value in written]
    if isinstance(written, str) and "${" in written:
        return _read(written)(names)
    return written


@cache
def _read(template: str) -> Meaning:
    return _Reader(template).template(end=None)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def template(self, end: str | None) -> Meaning:
        """Text with ${...} in it, up to the quote that ends it."""
        parts: list[str | Meaning] = []
        while self._at < len(self._text) and self._text[self._at] != end:
            if self._text.startswith("${", self._at):
                self._at += 2
                parts.append(self._choice())
                self._must("}")
            elif self._text[self._at] == "\\" and end is not None:
                parts.append(_ESCAPED[self._text[self._at + 1]])
                self._at += 2
            else:
                parts.append(self._text[self._at])
                self._at += 1
        if len(parts) == 1 and not isinstance(parts[0], str):
            return parts[0]
        return lambda names: "".join(
            part if isinstance(part, str) else str(part(names)) for part in parts
        )

    def _choice(self) -> Meaning:
        condition = self._binary(0)
        if not self._has("?"):
            return condition
        then = self._choice()
        self._must(":")
        otherwise = self._choice()
        return lambda names: then(names) if condition(names) else otherwise(names)

    def _binary(self, level: int) -> Meaning:
        if level == len(_BINARY):
            return self._one()
        meaning = self._binary(level + 1)
        while operator := next((sign for sign in _BINARY[level] if self._has(sign)), None):
            meaning = _both(_BINARY[level][operator], operator, meaning, self._binary(level + 1))
        return meaning

    def _one(self) -> Meaning:
        if self._has("!"):
            negated = self._one()
            return lambda names: not negated(names)
        meaning = self._primary()
        while True:
            if self._has("[*]"):
                meaning = _every(meaning)
            elif self._has("["):
                meaning = _part(meaning, self._choice())
                self._must("]")
            elif self._has("."):
                meaning = _part(meaning, self._named())
            else:
                return meaning

    def _primary(self) -> Meaning:
        if self._has('"'):
            text = self.template(end='"')
            self._must('"')
            return text
        if self._has("("):
            inner = self._choice()
            self._must(")")
            return inner
        if self._has("["):
            return self._list()
        if self._has("{"):
            return self._object()
        if number := self._follows(_NUMBER):
            self._at = number.end()
            value = float(number[0]) if "." in number[0] else int(number[0])
            return lambda _: value
        return self._name()

    def _name(self) -> Meaning:
        word = self._word()
        if word in _CONSTANTS:
            return lambda _: _CONSTANTS[word]
        if not self._has("("):
            return lambda names: names[word] if word in names else OnlyAwsKnows(word)
        given = list(self._listed(")"))
        if word in ("can", "try"):
            return lambda names: _tried(word, given, names)
        function = _FUNCTIONS[word]
        return lambda names: function(*(each(names) for each in given))

    def _listed(self, end: str) -> Iterator[Meaning]:
        while not self._has(end):
            yield self._choice()
            self._has(",")

    def _list(self) -> Meaning:
        if self._begins_for():
            loop = self._loop()
            value = self._choice()
            chosen = self._filter()
            self._must("]")
            return lambda names: [value(inner) for inner in loop(names) if chosen(inner)]
        parts = list(self._listed("]"))
        return lambda names: [part(names) for part in parts]

    def _object(self) -> Meaning:
        if self._begins_for():
            loop, key = self._loop(), self._choice()
            self._must("=>")
            value, chosen = self._choice(), self._filter()
            self._must("}")
            return lambda names: {key(i): value(i) for i in loop(names) if chosen(i)}
        pairs = []
        while not self._has("}"):
            quoted = self._has('"')
            key = self.template(end='"') if quoted else self._named()
            if quoted:
                self._must('"')
            self._must("=")
            pairs.append((key, self._choice()))
            self._has(",")
        return lambda names: {key(names): value(names) for key, value in pairs}

    def _named(self) -> Meaning:
        word = self._word()
        return lambda _: word

    def _begins_for(self) -> bool:
        return self._follows(_FOR) is not None

    def _loop(self) -> Callable[[Names], Iterator[Names]]:
        """What a for goes through, with its names bound each time."""
        self._word()
        bound = [self._word()]
        if self._has(","):
            bound.append(self._word())
        self._word()  # in
        source = self._choice()
        self._must(":")
        return lambda names: (
            {**names, **dict(zip(bound[::-1], each[::-1], strict=False))}
            for each in _pairs(source(names))
        )

    def _filter(self) -> Meaning:
        if self._follows(_IF) is None:
            return lambda _: True
        self._word()
        return self._choice()

    def _skip_space(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _follows(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip_space()
        return pattern.match(self._text, self._at)

    def _has(self, sign: str) -> bool:
        self._skip_space()
        found = self._text.startswith(sign, self._at)
        if found:
            self._at += len(sign)
        return found

    def _must(self, sign: str) -> None:
        if not self._has(sign):
            raise ValueError(f"no {sign} before {self._text[self._at :][:60]}")

    def _word(self) -> str:
        word = self._follows(_WORD)
        if word is None:
            raise ValueError(f"no name: {self._text[self._at :][:60]}")
        self._at = word.end()
        return word[0]


def _both(function: Callable[[Any, Any], Any], sign: str, one: Meaning, other: Meaning) -> Meaning:
    def meaning(names: Names) -> Any:
        left = one(names)
        if sign in ("||", "&&") and left is (sign == "||"):
            return left
        return function(left, other(names))

    return meaning


def _part(whole: Meaning, key: Meaning) -> Meaning:
    def meaning(names: Names) -> Any:
        found, name = whole(names), key(names)
        if isinstance(found, OnlyAwsKnows):
            shown = f"[{name}]" if isinstance(name, int) else f".{name}"
            return OnlyAwsKnows(f"{found}{shown}")
        return found[name]

    return meaning


def _every(whole: Meaning) -> Meaning:
    return lambda names: OnlyAwsKnows(f"{whole(names)}[*]")


def _pairs(source: Any) -> Iterator[tuple[Any, Any]]:
    """Key and value of each, as a for sees them."""
    if isinstance(source, OnlyAwsKnows):
        yield "*", OnlyAwsKnows(f"{source}[*]")
    elif isinstance(source, Mapping):
        yield from sorted(source.items())
    else:
        yield from enumerate(source)


def _tried(word: str, given: list[Meaning], names: Names) -> Any:
    for each in given:
        try:
            value = each(names)
        except (LookupError, TypeError, ValueError):
            continue
        return True if word == "can" else value
    if word == "can":
        return False
    raise ValueError("nothing to fall back on")


def _matched(pattern: str, text: str) -> Any:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"{text} is not {pattern}")
    return found.groups() or found[0]


def _subnet(network: str, bits: int, number: int) -> str:
    return str(list(ipaddress.ip_network(network).subnets(bits))[number])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_CONSTANTS = {"true": True, "false": False, "null": None}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "alltrue": all,
    "cidrnetmask": lambda network: str(ipaddress.IPv4Network(network).netmask),
    "cidrsubnet": _subnet,
    "concat": lambda *lists: list(chain.from_iterable(_listed(each) for each in lists)),
    "contains": lambda values, value: value in values,
    "distinct": lambda values: list(dict.fromkeys(values)),
    "endswith": str.endswith,
    "flatten": lambda values: list(_flat(values)),
    "join": lambda between, values: between.join(values),
    "jsonencode": json.dumps,
    "keys": sorted,
    "length": len,
    "lookup": lambda values, key, otherwise: values.get(key, otherwise),
    "merge": lambda *objects: {key: each[key] for each in objects for key in each},
    "one": lambda values: values,
    "regex": _matched,
    "setintersection": lambda one, other: set(one) & set(other),
    "setsubtract": lambda one, other: set(one) - set(other),
    "startswith": str.startswith,
    "toset": set,
    "tostring": _text,
    "values": lambda values: [values[key] for key in sorted(values)],
    "yamlencode": json.dumps,
}


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, OnlyAwsKnows) else list(value)


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
