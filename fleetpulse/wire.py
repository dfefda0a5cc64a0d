"""Record <-> bytes: the only encoder and decoder of what travels on the topics.

A value is UTF-8 JSON, flat, with units in the keys; Confluent framing (a zero byte and a schema id
of four bytes before the JSON) is read too.
"""

from __future__ import annotations

import functools
import json
import math
import re
from typing import Any

import msgspec

from fleetpulse.errors import DecodeError
from fleetpulse.telemetry import CHANNEL_NAMES, Reading

# Kafka's clients send records up to 1,000,000 bytes by default (message.max.bytes), key and headers
# included: whatever is larger was never a reading.
MAX_BYTES = 900_000
# https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
HEADER_BYTES = 5
IDENTIFIER_PATTERN = "^[A-Za-z0-9._-]{1,64}$"
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN, re.ASCII)
_INT64_MAX = 2**63 - 1
_MAX_DIGITS = 20  # of a sign and 2**63

_KIND_WORDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
}

encode = msgspec.json.Encoder().encode
_decode_strictly = msgspec.json.Decoder(Reading).decode


@functools.lru_cache(maxsize=100_000)
def is_identifier(text: str) -> bool:
    """Whether `text` can name a device or a kind: 1 to 64 of A-Z a-z 0-9 . _ -"""
    return _IDENTIFIER.fullmatch(text) is not None


def schema_id(header: bytes) -> int:
    """The schema's id in the bytes before a framed record."""
    return int.from_bytes(header[1:HEADER_BYTES], "big")


def decode(value: bytes | None) -> tuple[Reading, int]:
    """The reading in a record's value, and how many of its channels were not numbers.

    Channels that are not finite numbers become missing. Ranges are not checked here: whoever holds
    columns does that for all rows at once. Raises DecodeError for what can never be a reading.
    """
    if value is None:
        raise DecodeError("empty", "the record has no value")
    if len(value) > MAX_BYTES:
        raise DecodeError("too-large", f"{len(value)} bytes, more than {MAX_BYTES}")
    if value[:1] == b"\x00":
        value = value[HEADER_BYTES:]
    try:
        reading, rejected = _decode_strictly(value), 0
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        reading, rejected = _decode_leniently(value)
    if not is_identifier(reading.device_id):
        raise DecodeError("bad-field", "device_id must be 1 to 64 of A-Z a-z 0-9 . _ -")
    if not is_identifier(reading.kind):
        raise DecodeError("bad-field", "kind must be 1 to 64 of A-Z a-z 0-9 . _ -")
    if not 0 <= reading.measured_at <= _INT64_MAX:
        raise DecodeError("bad-field", "measured_at must be Unix milliseconds")
    if not 0 <= reading.seq <= _INT64_MAX:
        raise DecodeError("bad-field", "seq must be a whole number, 0 or more")
    return reading, rejected


def _decode_leniently(value: bytes) -> tuple[Reading, int]:
    """The same for a record that is not quite right: one bad channel does not cost the others."""
    try:
        document = json.loads(value, parse_int=_whole_number)
    except (ValueError, RecursionError) as problem:
        raise DecodeError("not-json", str(problem)[:200]) from problem
    if not isinstance(document, dict):
        raise DecodeError(
            "not-an-object", f"JSON, but {_KIND_WORDS[type(document)]}, not an object"
        )
    values = {name: _number(document.get(name)) for name in CHANNEL_NAMES}
    rejected = sum(document.get(name) is not None and values[name] is None for name in values)
    reading = Reading(
        device_id=_required(document, "device_id", str),
        kind=_required(document, "kind", str),
        measured_at=_required(document, "measured_at", int),
        seq=0 if document.get("seq") is None else _required(document, "seq", int),
        **values,
    )
    return reading, rejected


def _whole_number(digits: str) -> int | float:
    """Python takes its time over huge integers and refuses the hugest; none is a reading's."""
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _required(document: dict[str, Any], field: str, kind: type) -> Any:
    value = document.get(field)
    if value is None:
        raise DecodeError("missing-field", f"{field} is required")
    if isinstance(value, bool) or not isinstance(value, kind):
        raise DecodeError("bad-field", f"{field} must be {_KIND_WORDS[kind]}")
    return value
