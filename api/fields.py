"""Fields of the Swagger models: those that may be null, and one for each channel."""

from __future__ import annotations

import copy
from typing import Any

from flask_restx import fields

from fleetpulse.telemetry import CHANNELS


class _Nullable(fields.Raw):
    """Says, in Swagger 2.0's way, that the value may be null."""

    def schema(self) -> dict[str, Any]:
        return dict(super().schema()) | {"x-nullable": True}


class MaybeFloat(_Nullable, fields.Float):
    """A number or null."""


class MaybeInteger(_Nullable, fields.Integer):
    """A whole number or null."""


class MaybeString(_Nullable, fields.String):
    """A text or null."""


class MaybeNested(_Nullable, fields.Nested):
    """An object or null."""


def moment(what: str, *, nullable: bool = False) -> fields.Raw:
    """A field for a moment."""
    kind = MaybeInteger if nullable else fields.Integer
    return kind(description=f"{what}, Unix ms UTC", example=1795342120081, required=True)


def words(what: str, example: str, *, nullable: bool = False, **more: Any) -> fields.Raw:
    """A field for a text."""
    kind = MaybeString if nullable else fields.String
    return kind(description=what, example=example, required=True, **more)


def number(what: str, example: float, *, nullable: bool = True) -> fields.Raw:
    """A field for a number; `what` names its unit."""
    kind = MaybeFloat if nullable else fields.Float
    return kind(description=what, example=example, required=True)


def count(what: str, example: int) -> fields.Raw:
    """A field for how many."""
    return fields.Integer(description=what, example=example, required=True)


def flag(what: str, example: bool) -> fields.Raw:
    """A field for yes or no."""
    return fields.Boolean(description=what, example=example, required=True)


def texts(what: str, example: list[str]) -> fields.Raw:
    """A field for a list of texts."""
    return fields.List(fields.String, description=what, example=example, required=True)


def optional(field: fields.Raw) -> fields.Raw:
    """The same field, of something that may lack it."""
    made = copy.copy(field)
    made.required = False
    return made


def channel_fields() -> dict[str, fields.Raw]:
    """One field for each channel, with its label, unit and physical range."""
    return {
        channel.name: number(
            f"{channel.label} in {channel.unit}, {channel.low:g} to {channel.high:g};"
            " null: this machine does not measure it",
            channel.example,
        )
        for channel in CHANNELS
    }
