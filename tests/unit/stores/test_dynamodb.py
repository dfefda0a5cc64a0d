"""DynamoDB without DynamoDB: addresses, numbers and packed readings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import Status
from fleetpulse.errors import SettingsError
from fleetpulse.stores.dynamodb_client import Address
from fleetpulse.stores.dynamodb_packing import chunk_of, packed_rows, reading_of, rows_in
from fleetpulse.stores.dynamodb_readings import at_of, place_bytes, place_of
from fleetpulse.stores.dynamodb_values import attribute, moment, value
from tests.contracts.builders import a_reading, rows

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_an_address_says_where_and_how() -> None:
    found = Address.of("dynamodb://my-fleet?region=eu-west-1&layout=minute")

    assert found == Address(prefix="my-fleet", region="eu-west-1", layout="minute")
    assert Address.of("dynamodb://my-fleet").layout == "reading"


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://fleet/table",
        "dynamodb://user:hunter2@fleet",
        "dynamodb://fleet?layout=hour",
        "dynamodb://fleet?reigon=hunter2",
        "dynamodb://fleet?endpoint=http://user:hunter2@127.0.0.1",
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="FLEETPULSE_STORE") as refused:
        Address.of(url)

    assert "hunter2" not in str(refused.value)


@given(NUMBERS)
def test_no_float_changes(number: float) -> None:
    assert float(value(attribute(number))) == number


@given(INT64, INT64)
def test_moments_sort_as_text(one: int, other: int) -> None:
    assert (moment(one) < moment(other)) == (one < other)


@given(INT64, INT64, INT64, INT64)
def test_places_sort_by_time_and_then_by_number(at: int, seq: int, then: int, number: int) -> None:
    one, other = place_of(at, seq), place_of(then, number)

    assert (place_bytes(one) < place_bytes(other)) == ((at, seq) < (then, number))
    assert at_of(one) == at


@given(NUMBERS, NUMBERS, st.sampled_from(Status), st.lists(st.text(max_size=9), max_size=3))
def test_a_packed_reading_comes_back_as_it_was(
    temperature: float, probability: float, status: Status, causes: list[str]
) -> None:
    reading = a_reading(
        temperature_c=temperature,
        load_pct=None,
        disk_pct=61.3,
        probability=probability,
        status=status,
        causes=causes,
        rejected=3,
        model_version="heat-1",
    )

    chunk, _ = chunk_of(list(packed_rows(rows(reading))))

    assert [reading_of(row) for row in rows_in(chunk)] == [reading]


def test_the_same_rows_have_the_same_name() -> None:
    some = list(packed_rows(rows(a_reading())))

    assert chunk_of(some) == chunk_of(list(some))
    assert chunk_of(some)[1] != chunk_of([*some, *some])[1]
