"""The channels, and readings made of what sensors give."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.stores.protocols import StoredReading
from fleetpulse.telemetry import CHANNEL, CHANNEL_NAMES, CHANNELS, Channel, Reading, a_reading_of

FIELDS_BEFORE_THE_CHANNELS = ("device_id", "kind", "measured_at", "seq")


def test_a_reading_has_every_channel_in_the_order_of_the_table() -> None:
    fields = tuple(field.name for field in msgspec.structs.fields(Reading))

    assert fields == FIELDS_BEFORE_THE_CHANNELS + CHANNEL_NAMES


def test_a_stored_reading_has_the_same_channels() -> None:
    stored = {field.name for field in msgspec.structs.fields(StoredReading)}

    assert set(CHANNEL_NAMES) <= stored


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_a_channel_takes_its_range_with_both_ends_and_nothing_else(channel: Channel) -> None:
    assert channel.accepts(channel.low)
    assert channel.accepts(channel.high)
    assert channel.accepts(channel.example)
    assert not channel.accepts(math.nextafter(channel.low, -math.inf))
    assert not channel.accepts(math.nextafter(channel.high, math.inf))
    assert not any(channel.accepts(value) for value in (math.nan, math.inf, -math.inf))


@given(
    values=st.dictionaries(
        st.sampled_from(CHANNEL_NAMES),
        st.none() | st.floats() | st.integers() | st.booleans(),
    )
)
def test_a_reading_keeps_what_can_be_real_and_leaves_the_rest_out(
    values: dict[str, float | None],
) -> None:
    reading = a_reading_of("pi-1", "raspberry", 1, 2, **values)

    for channel, read in reading.channels():
        given_value = values.get(channel.name)
        possible = given_value is not None and CHANNEL[channel.name].accepts(given_value)
        assert read == (given_value if possible else None)


def test_a_zero_is_a_reading_and_not_missing() -> None:
    reading = a_reading_of("pi-1", "raspberry", 1, 2, load_pct=0.0)

    assert reading.load_pct == 0.0


def test_channels_come_in_the_order_of_the_table_with_missing_ones() -> None:
    reading = Reading(device_id="pc-1", kind="pc", measured_at=1, load_pct=37.5)

    found = [(channel.name, value) for channel, value in reading.channels()]

    assert [name for name, _ in found] == list(CHANNEL_NAMES)
    assert [name for name, value in found if value is not None] == ["load_pct"]
