"""What the decoder takes, what it refuses, and that nothing makes it fall over."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.errors import DecodeError
from fleetpulse.telemetry import CHANNEL_NAMES, Reading
from fleetpulse.wire import MAX_BYTES, decode, encode

NOON = 1_795_342_120_000
FRAME = b"\x00\x00\x00\x00\x07"  # Confluent's: a zero byte and a schema id

identifiers = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
moments = st.integers(min_value=0, max_value=2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.builds(
    Reading,
    device_id=identifiers,
    kind=identifiers,
    measured_at=moments,
    seq=moments,
    **{name: st.none() | finite for name in CHANNEL_NAMES},
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def a_record(**fields: Any) -> bytes:
    """A value as an agent sends it, with these fields changed or added."""
    required = {"device_id": "pi-1", "kind": "raspberry", "measured_at": NOON}
    return json.dumps(required | fields).encode()


def cause_of(value: bytes | None) -> str:
    """Why the decoder refuses a value."""
    with pytest.raises(DecodeError) as refused:
        decode(value)
    return refused.value.cause


@given(reading=readings)
def test_every_reading_comes_back_as_it_was(reading: Reading) -> None:
    assert decode(encode(reading)) == (reading, 0)


@given(reading=readings)
def test_a_framed_record_is_read_as_well(reading: Reading) -> None:
    assert decode(FRAME + encode(reading)) == (reading, 0)


@given(value=st.binary(max_size=200))
def test_any_bytes_are_a_reading_or_a_decode_error(value: bytes) -> None:
    reading_or_cause(value)
    reading_or_cause(FRAME + value)


@given(document=st.dictionaries(st.sampled_from(("device_id", "kind", "seq", "x")), json_values))
def test_any_json_is_a_reading_or_a_decode_error(document: dict[str, Any]) -> None:
    reading_or_cause(json.dumps(document).encode())
    reading_or_cause(a_record(**document))


@given(value=json_values, name=st.sampled_from(CHANNEL_NAMES))
def test_whatever_is_in_a_channel_the_rest_of_the_record_is_read(value: Any, name: str) -> None:
    others = {other: 1.5 for other in CHANNEL_NAMES if other != name}

    reading, rejected = decode(a_record(**{name: value}, **others))

    read = getattr(reading, name)
    assert {other: getattr(reading, other) for other in others} == others
    assert read is None or math.isfinite(read)
    assert rejected == (value is not None and read is None)


def reading_or_cause(value: bytes) -> Reading | str:
    """What the decoder makes of a value; any exception but DecodeError fails the test."""
    try:
        reading, rejected = decode(value)
    except DecodeError as problem:
        return problem.cause
    assert 0 <= rejected <= len(CHANNEL_NAMES)
    assert all(value is None or math.isfinite(value) for _, value in reading.channels())
    return reading


@given(extra=st.dictionaries(st.text(max_size=8).map("x_{}".format), json_values, max_size=3))
def test_unknown_fields_are_ignored(extra: dict[str, Any]) -> None:
    reading, rejected = decode(a_record(temperature_c=61.3, **extra))

    assert reading.temperature_c == 61.3
    assert rejected == 0


@pytest.mark.parametrize(
    "written",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        '"61.3"',
        "true",
        "[61.3]",
        "{}",
        "1e400",
        "9" * 400,
        "9" * 5000,
        "-" + "9" * 5000,
    ],
    ids=lambda written: written[:12],
)
def test_a_channel_that_is_no_finite_number_is_missing_and_counted(written: str) -> None:
    value = a_record(load_pct=37.5).replace(b"37.5", written.encode())

    reading, rejected = decode(value)

    assert reading.load_pct is None
    assert rejected == 1


def test_null_zero_and_absent_are_three_things_of_which_zero_is_a_value() -> None:
    reading, rejected = decode(a_record(power_w=None, load_pct=0))

    assert reading.power_w is None
    assert reading.load_pct == 0.0
    assert reading.voltage_v is None
    assert rejected == 0


@pytest.mark.parametrize("name", ["device_id", "kind", "measured_at"])
def test_a_record_without_a_required_field_is_refused(name: str) -> None:
    document = json.loads(a_record())
    del document[name]

    assert cause_of(json.dumps(document).encode()) == "missing-field"


@pytest.mark.parametrize(
    "fields",
    [
        {"device_id": ""},
        {"device_id": "a b"},
        {"device_id": "ünder"},
        {"device_id": "../etc"},
        {"device_id": "pi-1\n"},
        {"device_id": "x" * 65},
        {"device_id": 7},
        {"device_id": "\ud800"},
        {"kind": "a/b"},
        {"kind": ["pc"]},
        {"measured_at": -1},
        {"measured_at": 2**63},
        {"measured_at": 10**30},
        {"measured_at": 1.5},
        {"measured_at": "2026-11-22T12:00:00Z"},
        {"measured_at": True},
        {"seq": -1},
        {"seq": 2**64},
        {"seq": "412"},
    ],
    ids=repr,
)
def test_a_field_that_names_or_dates_nothing_is_refused(fields: dict[str, Any]) -> None:
    assert cause_of(a_record(**fields)) == "bad-field"


def test_a_bad_channel_does_not_hide_a_bad_name() -> None:
    assert cause_of(a_record(device_id="a b", load_pct="high")) == "bad-field"


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (None, "empty"),
        (b"", "not-json"),
        (b"hello", "not-json"),
        (b"\xff\xfe\xfd", "not-json"),
        (b"\x00\x00", "not-json"),
        (FRAME, "not-json"),
        (b"[1,2]", "not-an-object"),
        (b"null", "not-an-object"),
        (b" " * (MAX_BYTES + 1), "too-large"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_record_is_refused_with_its_cause(value: bytes | None, cause: str) -> None:
    assert cause_of(value) == cause


def nested(depth: int) -> bytes:
    """A record with a field of ours to nobody that is as deep as that."""
    return a_record(x="deep").replace(b'"deep"', b"[" * depth + b"]" * depth)


def test_a_deeply_nested_value_is_refused_and_not_a_crash() -> None:
    assert cause_of(nested(400_000)) == "not-json"


def test_a_nested_value_that_python_can_still_read_costs_no_reading_its_life() -> None:
    """How deep that is differs from Python to Python: 2,000 are read by 3.13, not by 3.11."""
    with contextlib.suppress(DecodeError):
        assert decode(nested(2_000))[1] == 0


def test_the_cause_of_a_refusal_is_short_whatever_was_sent() -> None:
    with pytest.raises(DecodeError) as refused:
        decode(b'{"device_id": ' + b"x" * 100_000)

    assert len(str(refused.value)) < 300
