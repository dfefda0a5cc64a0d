"""The parameters of a request: each a row that says its name, its meaning and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import request

from api.errors import InvalidParameter
from fleetpulse.stores.protocols import Resolution
from fleetpulse.wire import is_identifier

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
AUTO = "auto"
RESOLUTIONS = [*map(str, Resolution), AUTO]

_DIGITS = re.compile(r"\d{1,15}", re.ASCII)
# A "+" in an address is a space once decoded: 2026-11-22T10:00:00+01:00 arrives like this.
_LOST_PLUS = re.compile(r"(T\S+) (\d{2}:?\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter; `read` raises ValueError that says what the value must be."""

    name: str
    description: str
    read: Callable[[str], Any]
    default: Any = None
    swagger: Mapping[str, Any] = field(default_factory=dict)

    def documented(self) -> dict[str, Any]:
        """The parameter as Swagger has it."""
        return {"in": "query", "type": "string", "description": self.description, **self.swagger}


def asked(*parameters: Parameter) -> dict[str, Any]:
    """The value of each parameter in this request, defaults filled in.

    Raises InvalidParameter for a value that is wrong, given twice, or of a parameter that does not
    exist: a misspelt one would else be ignored without a word.
    """
    known = {parameter.name for parameter in parameters}
    for name in request.args:
        if name not in known:
            those = ", ".join(sorted(known)) or "none"
            raise InvalidParameter(name, f"is not a parameter here; there are: {those}.")
    return {parameter.name: _value(parameter) for parameter in parameters}


def _value(parameter: Parameter) -> Any:
    given = request.args.getlist(parameter.name)
    if not given:
        return parameter.default
    if len(given) > 1:
        raise InvalidParameter(parameter.name, "may be given once only.")
    try:
        return parameter.read(given[0])
    except ValueError as problem:
        raise InvalidParameter(parameter.name, str(problem)) from problem


def read_limit(text: str) -> int:
    """How many items a page may have."""
    if _DIGITS.fullmatch(text) and 1 <= int(text) <= LARGEST_LIMIT:
        return int(text)
    raise ValueError(f"must be a whole number from 1 to {LARGEST_LIMIT}.")


def read_moment(text: str) -> int:
    """Unix ms of a moment given as such or in ISO 8601; without a zone it is UTC."""
    if _DIGITS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since_epoch_ms = round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as problem:
        raise ValueError(
            "must be Unix milliseconds or ISO 8601, such as 2026-11-22T10:00:00Z."
        ) from problem
    return since_epoch_ms


def read_flag(text: str) -> bool:
    """true or false."""
    if text not in ("true", "false"):
        raise ValueError("must be true or false.")
    return text == "true"


def read_order(text: str) -> str:
    """asc or desc."""
    if text not in ("asc", "desc"):
        raise ValueError("must be asc (oldest first) or desc (newest first).")
    return text


def read_resolution(text: str) -> Resolution | None:
    """A resolution; None: auto."""
    if text == AUTO:
        return None
    if text not in set(Resolution):
        raise ValueError(f"must be one of {', '.join(RESOLUTIONS)}.")
    return Resolution(text)


def read_device_id(text: str) -> str:
    """A name that a device can have."""
    if not is_identifier(text):
        raise ValueError("must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return text


LIMIT = Parameter(
    name="limit",
    description=f"Most items of the answer, 1 to {LARGEST_LIMIT}",
    read=read_limit,
    default=DEFAULT_LIMIT,
    swagger={"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter(
    name="cursor",
    description="next_cursor of the page before; with the same other parameters",
    read=str,
)
SINCE = Parameter(
    name="since",
    description="From this moment on: Unix ms, or ISO 8601 (UTC unless it says otherwise)",
    read=read_moment,
)
UNTIL = Parameter(
    name="until",
    description="Before this moment: Unix ms, or ISO 8601 (UTC unless it says otherwise)",
    read=read_moment,
)
ORDER = Parameter(
    name="order",
    description="desc: newest first, as every list of moments; asc: oldest first",
    read=read_order,
    default="desc",
    swagger={"enum": ["asc", "desc"], "default": "desc"},
)
DEVICE_ID = Parameter(
    name="device_id",
    description="Of this device only",
    read=read_device_id,
    swagger={"pattern": r"^[A-Za-z0-9._-]{1,64}$"},
)
OPEN = Parameter(
    name="open",
    description="true: only episodes that are not over",
    read=read_flag,
    default=False,
    swagger={"type": "boolean", "default": False},
)
RESOLUTION = Parameter(
    name="resolution",
    description="raw: every reading; 1m, 1h: rollups of a minute or an hour; auto: what fits the"
    " period and is still kept. The answer says which",
    read=read_resolution,
    default=Resolution.RAW,
    swagger={"enum": RESOLUTIONS, "default": "raw"},
)
