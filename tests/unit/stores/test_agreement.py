"""Memory and SQLite answer alike after any sequence of saves."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpulse.alerts import AlertEvent, AlertState, Position, Severity, State, Status
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Bucket, Device, Resolution, Scored, StoredReading
from fleetpulse.stores.sql import SqlStore
from tests.contracts.builders import NOON, a_reading, an_event, rows, scored
from tests.contracts.store import everything

DEVICES = ("pi-1", "pi-10", "pc.A")
names = st.sampled_from(DEVICES)
moments = st.integers(NOON, NOON + 3)
numbers = st.none() | st.just(0.0) | st.floats(-60, 150)
words = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=2)

readings = st.builds(
    a_reading,
    names,
    at=moments,
    seq=st.integers(0, 2),
    temperature_c=numbers,
    load_pct=numbers,
    rejected=st.integers(0, 3),
    probability=numbers,
    expected_s=numbers,
    status=st.sampled_from(Status),
    causes=words,
)
devices = st.builds(
    Device, device_id=names, kind=st.sampled_from(["pc", "raspberry"]), first_seen_at=moments
)
states = st.builds(
    AlertState,
    device_id=names,
    rule=st.sampled_from(["heat", "disk"]),
    level=st.sampled_from(Status),
    episode=st.integers(0, 3),
    since=moments,
    judged=st.none() | st.builds(Position, st.just("log"), st.integers(0, 2**62)),
)
events = st.builds(
    an_event,
    st.sampled_from([State.SOON, State.STRESSED, State.RECOVERED, State.OFFLINE]),
    device_id=names,
    rule=st.sampled_from(["heat", "disk"]),
    episode=st.integers(1, 2),
    at=moments,
    probability=numbers,
    value=numbers,
    limit=numbers,
    causes=words,
    severity=st.sampled_from(Severity),
)


def a_scored(
    new_readings: list[StoredReading],
    new_devices: list[Device],
    new_states: list[AlertState],
    new_events: list[AlertEvent],
    stored_at: int,
    version: str | None,
) -> Scored:
    parts = scored(
        *new_readings,
        new_devices=new_devices,
        states=new_states,
        events=new_events,
        stored_at=stored_at,
    )
    return replace(parts, rows=replace(rows(*new_readings), model_version=version))


batches = st.lists(
    st.builds(
        a_scored,
        st.lists(readings, max_size=6),
        st.lists(devices, max_size=3),
        st.lists(states, max_size=4),
        st.lists(events, max_size=4),
        st.integers(NOON, NOON + 2),
        st.sampled_from([None, "heat-1", "heat-2"]),
    ),
    max_size=5,
)


def answers(store: MemoryStore | SqlStore) -> dict[str, Any]:
    """What both are asked."""
    return {
        **everything(store, *DEVICES),
        "latest": store.readings.latest_of(DEVICES),
        "newest first": store.readings.page("pi-1", after=(NOON + 2, 1), newest_first=True),
        "rejected": store.readings.rejected_since(DEVICES, NOON + 1),
        "open": store.alerts.page(open_only=True, device_id="pi-1"),
        "events before": store.alerts.events_page(before=(NOON + 2, "pi-1:heat:1:soon"), limit=3),
        "outbox page": store.alerts.stored_since(NOON + 1, limit=2),
    }


# Quarters add up without rounding, in whatever order they are added.
quarters = st.none() | st.integers(-200, 400).map(lambda number: number / 4)
spread_out = st.builds(
    a_reading,
    names,
    at=st.integers(0, 5).map(lambda part: NOON + part * 20_000),
    seq=st.integers(0, 2),
    temperature_c=quarters,
    load_pct=quarters,
    probability=st.none() | st.floats(0, 1),
)
rolls = st.lists(
    st.tuples(names, st.integers(0, 2).map(lambda minute: NOON + minute * 60_000)), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(spread_out, max_size=8), rolls), max_size=4))
def test_memory_and_sqlite_agree_on_any_sequence_of_rolls(
    steps: list[tuple[list[StoredReading], list[Bucket]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, sqlite = MemoryStore(), SqlStore(f"sqlite:///{folder}/fleet.db")

        for store in (memory, sqlite):
            for new, buckets in steps:
                store.save(scored(*new))
                store.roll(Resolution.MINUTE, buckets)

        try:
            for name in DEVICES:
                minutes = memory.readings.rollups(name, Resolution.MINUTE)
                assert sqlite.readings.rollups(name, Resolution.MINUTE) == minutes
        finally:
            sqlite.close()


@settings(max_examples=40, deadline=None)
@given(batches)
def test_memory_and_sqlite_agree_on_any_sequence_of_saves(saved: list[Scored]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, sqlite = MemoryStore(), SqlStore(f"sqlite:///{folder}/fleet.db")

        for batch in saved:
            memory.save(batch)
            sqlite.save(batch)

        try:
            assert answers(memory) == answers(sqlite)
        finally:
            sqlite.close()
