"""What a value should have been, in words for people who do not program."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

import msgspec

_WORDS = {"float": "a number", "int": "a whole number", "str": "text", "bool": "true or false"}
_TYPES = re.compile(r"`([a-z |]+)`")


def expected(hint: Any, problem: msgspec.ValidationError) -> str:
    """What a value should have been; msgspec's own words for a choice would repeat the value.

    hint: the type that it should have been of.
    """
    choices = [one for part in (hint, *get_args(hint)) for one in _choices(part)]
    if choices:
        return f"Expected one of {', '.join(choices)}"
    return _TYPES.sub(_in_words, str(problem))


def _in_words(found: re.Match[str]) -> str:
    """`int | null`: what is null is not given."""
    names = [name for name in found[1].split(" | ") if name != "null"]
    return " or ".join(_WORDS.get(name, name) for name in names)


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()
