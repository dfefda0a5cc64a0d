"""Records become columns; what will never be a reading is set aside with its cause."""

from __future__ import annotations

import math
from contextlib import closing

import numpy as np
import pytest

from consumer.batch import Batch
from consumer.decoding import Decoder
from consumer.roster import Roster
from fleetpulse import wire
from fleetpulse.clock import ManualClock, SystemClock
from fleetpulse.schemas import SchemaCheck
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import NOON, a_reading, a_record, decode


def decode_values(*values: bytes) -> Batch:
    records = [a_record(value, row) for row, value in enumerate(values)]
    return Decoder(Roster(), ManualClock(NOON)).decode(records, "test")


def test_a_missing_channel_is_nan_and_zero_is_a_value() -> None:
    batch = decode(a_reading(temperature_c=0.0))

    assert batch.channel("temperature_c").tolist() == [0.0]
    assert math.isnan(batch.channel("power_w")[0])


def test_a_value_outside_its_physical_range_becomes_missing_and_is_counted() -> None:
    batch = decode(a_reading(temperature_c=900.0, load_pct=-1.0, clock_ghz=1.8))

    assert math.isnan(batch.channel("temperature_c")[0])
    assert math.isnan(batch.channel("load_pct")[0])
    assert batch.channel("clock_ghz").tolist() == [1.8]
    assert batch.rejected.tolist() == [2]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"{", "not-json"),
        (b"[1]", "not-an-object"),
        (b'{"kind":"pc","measured_at":1}', "missing-field"),
        (b'{"device_id":"a b","kind":"pc","measured_at":1}', "bad-field"),
        (b'{"device_id":"a","kind":"pc","measured_at":"noon"}', "bad-field"),
        (b"x" * 1_000_001, "too-large"),
    ],
)
def test_a_record_that_cannot_be_a_reading_is_refused_with_its_cause(
    value: bytes, cause: str
) -> None:
    batch = decode_values(wire.encode(a_reading()), value)

    assert len(batch) == 1
    assert [one.error.cause for one in batch.refused] == [cause]
    assert batch.refused[0].offset == 1


def test_a_refused_record_is_committed_past_all_the_same() -> None:
    batch = decode_values(b"{")

    assert list(batch.next_offsets.values()) == [1]


def test_framed_and_plain_records_on_one_topic_are_read_and_another_schema_is_refused() -> None:
    objections = {7: None, 8: "the schema is AVRO, not JSON"}
    framed = b"\x00\x00\x00\x00"
    values = [
        framed + b"\x07" + wire.encode(a_reading(1, temperature_c=21.0)),
        wire.encode(a_reading(2, temperature_c=22.0)),
        framed + b"\x08" + wire.encode(a_reading(3, temperature_c=23.0)),
    ]
    records = [a_record(value, row) for row, value in enumerate(values)]

    with closing(SchemaCheck(objections.__getitem__, SystemClock())) as check:
        batch = Decoder(Roster(), ManualClock(NOON), check.decode).decode(records, "test")

    assert batch.channel("temperature_c").tolist() == [21.0, 22.0]
    assert [(one.offset, one.error.cause) for one in batch.refused] == [(2, "schema")]


def test_a_reading_from_the_future_is_refused_and_tells_of_the_clock() -> None:
    batch = decode(a_reading(301), a_reading(300))

    assert [one.error.cause for one in batch.refused] == ["future"]
    assert [clock.ahead_ms for clock in batch.clocks_ahead] == [301_000]
    assert len(batch) == 1


def test_a_clock_that_was_told_of_before_a_restart_is_not_told_of_again() -> None:
    ahead = a_record(wire.encode(a_reading(301)), 0, replayed=True)

    batch = Decoder(Roster(), ManualClock(NOON)).decode([ahead], "test")

    assert not batch.clocks_ahead


def test_an_ancient_reading_is_a_reading() -> None:
    batch = decode_values(b'{"device_id":"a","kind":"pc","measured_at":0}')

    assert batch.measured_at.tolist() == [0]


def test_no_records_make_a_batch_of_no_rows() -> None:
    batch = decode()

    assert len(batch) == 0
    assert batch.values.shape == (0, 12)
    assert not batch.refused


def test_a_device_keeps_its_slot_and_is_new_once() -> None:
    roster = Roster()

    first = decode(a_reading(device="a"), a_reading(device="b"), roster=roster)
    second = decode(a_reading(5, device="b"), roster=roster)

    assert first.slots.tolist() == [0, 1]
    assert second.slots.tolist() == [1]
    assert [device.device_id for device in first.new_devices] == ["a", "b"]
    assert not second.new_devices


def test_a_device_of_another_kind_is_told_to_the_store() -> None:
    roster = Roster()
    decode(a_reading(device="a"), roster=roster)
    as_pc = Reading(device_id="a", kind="pc", measured_at=NOON)

    batch = decode(as_pc, as_pc, roster=roster)

    assert [device.kind for device in batch.new_devices] == ["pc"]


def test_a_poisoned_record_does_not_disturb_its_neighbours() -> None:
    good = [a_reading(at, temperature_c=20.0 + at) for at in range(5)]
    values = [wire.encode(reading) for reading in good]
    values.insert(2, b"\xff\xfe")

    batch = decode_values(*values)

    np.testing.assert_array_equal(batch.channel("temperature_c"), [20, 21, 22, 23, 24])
    assert batch.offsets.tolist() == [0, 1, 3, 4, 5]
