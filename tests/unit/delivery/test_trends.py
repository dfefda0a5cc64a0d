"""When a disk will be full, at the pace of its last day."""

from __future__ import annotations

import pytest

from fleetpulse.alerts import State
from fleetpulse.delivery.trends import about_event, hours_until_full
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Resolution
from tests.contracts.builders import NOON, SECOND, a_device, a_reading, an_event, scored
from tests.unit.bot.asking import ask
from tests.unit.delivery.bench import Bench

HOUR = 3_600 * SECOND


def a_disk(*values_pct: float | None) -> MemoryStore:
    """A device whose disk was so full, an hour apart, until now."""
    store = MemoryStore()
    fill(store, *values_pct)
    return store


def fill(store: MemoryStore, *values_pct: float | None) -> None:
    readings = [
        a_reading(at=NOON - number * HOUR, seq=100 - number, disk_pct=value)
        for number, value in enumerate(reversed(values_pct))
    ]
    store.save(scored(*readings, new_devices=[a_device()]))
    buckets = [("pi-1", reading.measured_at) for reading in readings]
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        store.roll(resolution, buckets)


def test_a_disk_that_fills_up_evenly_is_full_when_the_line_says() -> None:
    assert hours_until_full(a_disk(80, 85, 90), "pi-1", NOON) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "values_pct",
    [
        (90, 90, 90),
        (95, 93, 91),
        (90, 95),  # too little to tell
        (90, 90.001, 90.002),  # in a year
        (None, None, None),
        (),
    ],
    ids=["steady", "emptier", "two hours", "a year", "not measured", "no readings"],
)
def test_of_a_disk_that_does_not_fill_up_nothing_is_said(
    values_pct: tuple[float | None, ...],
) -> None:
    assert hours_until_full(a_disk(*values_pct), "pi-1", NOON) is None


def test_only_the_last_day_counts() -> None:
    rose_before = [float(number) for number in range(20, 70)]

    assert hours_until_full(a_disk(*rose_before, *[70.0] * 25), "pi-1", NOON) is None


def test_an_alert_of_a_disk_says_how_long_it_lasts_and_others_say_nothing() -> None:
    store = a_disk(80, 85, 90)

    said = about_event(store, an_event(State.STRESSED, rule="disk", at=NOON))

    assert said == ["At the pace of the last day the disk is full in 2 h."]
    assert about_event(store, an_event(State.RECOVERED, rule="disk", at=NOON)) == []
    assert about_event(store, an_event(State.STRESSED, rule="memory", at=NOON)) == []


def test_a_disk_that_is_all_but_full_is_full_within_the_hour() -> None:
    said = about_event(a_disk(80, 90, 99), an_event(State.STRESSED, rule="disk", at=NOON))

    assert said == ["At the pace of the last day the disk is full within the hour."]


def test_the_chat_and_the_status_say_it() -> None:
    bench = Bench()
    bench.process.step()
    assert isinstance(bench.store, MemoryStore)
    fill(bench.store, 80, 85, 90)
    bench.happen(an_event(State.STRESSED, rule="disk", at=NOON))

    bench.later(1)

    status = ask(bench.store, "/status pi-1", stale_after_ms=HOUR)
    for text in (bench.sender.texts()[0], status.text):
        assert "the disk is full in 2 h" in text
