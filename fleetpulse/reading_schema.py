"""The JSON Schema of a reading on the wire, and whether another schema can be one of readings."""

from __future__ import annotations

import json
from typing import Any

from fleetpulse.telemetry import CHANNELS, Channel
from fleetpulse.wire import IDENTIFIER_PATTERN

_IDENTIFIER = {"type": "string", "pattern": IDENTIFIER_PATTERN}
_NAMES_AND_TIMES: dict[str, dict[str, Any]] = {
    "device_id": _IDENTIFIER,
    "kind": _IDENTIFIER,
    "measured_at": {"type": "integer", "minimum": 0, "description": "Unix milliseconds, UTC"},
    "seq": {"type": "integer", "minimum": 0, "description": "grows with every reading of a device"},
}


def reading_schema() -> dict[str, Any]:
    """The JSON Schema of a reading on the wire.

    Closed (`additionalProperties: false`): only so is a channel that is added later a compatible
    change (BACKWARD), since no older record can hold something else by its name.
    """
    channels = {channel.name: _channel_schema(channel) for channel in CHANNELS}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Reading",
        "description": "One machine at one moment; a channel that it lacks is null or absent",
        "type": "object",
        "properties": _NAMES_AND_TIMES | channels,
        "required": ["device_id", "kind", "measured_at"],
        "additionalProperties": False,
    }


def _channel_schema(channel: Channel) -> dict[str, Any]:
    return {"type": ["number", "null"], "description": f"{channel.label}, {channel.unit.value}"}


def objection(schema_type: str, text: str, *, refers: bool) -> str | None:
    """Why records of this schema are no readings; None: they can be.

    refers: it is made of other schemas, which are not looked at.
    """
    if schema_type != "JSON":
        return f"the schema is {schema_type}, not JSON"
    try:
        document = json.loads(text)
    except ValueError:
        return "the schema is not JSON"
    return None if refers or _has_device(document) else "the schema has no device_id"


def _has_device(part: Any) -> bool:
    """Whether a property `device_id` is described anywhere in a schema."""
    if isinstance(part, list):
        return any(map(_has_device, part))
    if not isinstance(part, dict):
        return False
    properties = part.get("properties")
    if isinstance(properties, dict) and "device_id" in properties:
        return True
    return any(map(_has_device, part.values()))
