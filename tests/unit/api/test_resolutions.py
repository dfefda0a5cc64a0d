"""History in the resolution that was asked for, or in the one that fits."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import BUCKET_MS, Resolution
from tests.unit.api.builders import NOON, document, save_reading

PATH = "/api/v1/devices/pi-1/readings"
MINUTE_MS = BUCKET_MS[Resolution.MINUTE]
DAY_MS = 24 * 3_600_000


@pytest.fixture(autouse=True)
def ten_minutes(store: MemoryStore) -> None:
    """Two readings a minute for ten minutes, rolled up."""
    begin = NOON - NOON % BUCKET_MS[Resolution.HOUR] - 2 * BUCKET_MS[Resolution.HOUR]
    for number in range(20):
        at = begin + number * MINUTE_MS // 2
        save_reading(store, at=at, seq=number, temperature_c=60.0 + number, probability=0.1)
    buckets = [("pi-1", begin + number * MINUTE_MS) for number in range(10)]
    store.roll(Resolution.MINUTE, buckets)
    store.roll(Resolution.HOUR, [("pi-1", begin)])


def asked(client: FlaskClient, **query: Any) -> Any:
    answer = client.get(PATH, query_string=query)
    assert answer.status_code == 200, answer.text
    return document(answer)


def test_a_rollup_tells_its_readings_in_short(client: FlaskClient) -> None:
    page = asked(client, resolution="1m", order="asc", limit=1)

    [item] = page["items"]
    assert page["resolution"] == item["resolution"] == "1m"
    assert (item["count"], item["probability"]) == (2, 0.1)
    assert item["channels"] == {
        "temperature_c": {"count": 2, "min": 60.0, "max": 61.0, "mean": 60.5, "last": 61.0}
    }


@pytest.mark.parametrize(("resolution", "count"), [("raw", 20), ("1m", 10), ("1h", 1)])
def test_each_resolution_is_paged_by_itself(
    client: FlaskClient, resolution: str, count: int
) -> None:
    found: list[Any] = []
    page: dict[str, Any] = {"next_cursor": None}
    while page["next_cursor"] is not None or not found:
        more = {"cursor": page["next_cursor"]} if found else {}
        page = asked(client, resolution=resolution, limit=3, **more)
        found += page["items"]

    moments = [item["measured_at"] for item in found]
    assert len(moments) == count
    assert moments == sorted(moments, reverse=True)


def test_a_cursor_of_another_resolution_is_refused(client: FlaskClient) -> None:
    cursor = asked(client, resolution="1m", limit=1)["next_cursor"]

    answer = client.get(PATH, query_string={"resolution": "raw", "cursor": cursor})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("since", "resolution"), [(NOON - 6 * 3_600_000, "raw"), (0, "raw"), (NOON - DAY_MS, "raw")]
)
def test_a_young_device_is_shown_in_full_however_long_the_period(
    client: FlaskClient, since: int, resolution: str
) -> None:
    assert asked(client, resolution="auto", since=since)["resolution"] == resolution


def test_a_long_period_is_answered_in_minutes_and_its_pages_stay_so(
    client: FlaskClient, clock: ManualClock
) -> None:
    clock.advance(7 * 24 * 3600)

    first = asked(client, resolution="auto", limit=4)
    clock.advance(20 * 24 * 3600)
    second = asked(client, resolution="auto", limit=4, cursor=first["next_cursor"])

    assert first["resolution"] == second["resolution"] == "1m"
    assert len(second["items"]) == 4
    assert asked(client, resolution="auto")["resolution"] == "1h"


def test_without_being_asked_readings_are_given_as_they_are(client: FlaskClient) -> None:
    assert asked(client)["resolution"] == "raw"
