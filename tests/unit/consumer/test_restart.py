"""Killed at any point and started again, a consumer ends with the same rows and events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpulse import wire
from fleetpulse.alerts import AlertEvent, Status
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scored, StoredReading
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import Killed, Log, a_reading, consume

STEPS = ("read", "staged", "lettered", "written", "committed")


def outcome(store: MemoryStore) -> tuple[list[AlertEvent], list[StoredReading]]:
    """All that was stored, in a stated order."""
    events = sorted(store.alerts.events_page(limit=1000), key=lambda one: one.event_id)
    rows = [row for device in "ab" for row in store.readings.page(device, limit=1000)]
    return events, rows


def undisturbed(values: list[bytes]) -> tuple[list[AlertEvent], list[StoredReading]]:
    store = MemoryStore()
    consume(Log(values), store)
    return outcome(store)


def killed_at(values: list[bytes], kills: list[tuple[str, int]], batch_rows: int) -> MemoryStore:
    """A store after lives that each end at a step of their nth batch, and a last one."""
    store, log = MemoryStore(), Log(values)
    for step, after in kills:
        countdown = [after]

        def end_here(name: str, step: str = step, countdown: list[int] = countdown) -> None:
            if name == step:
                countdown[0] -= 1
                if countdown[0] < 0:
                    raise Killed

        try:
            consume(log, store, batch_rows=batch_rows, reached=end_here)
        except Killed:
            continue
    consume(log, store, batch_rows=batch_rows)
    return store


readings = st.lists(
    st.builds(
        lambda device, step, temperature, load: (device, step, temperature, load),
        st.sampled_from("ab"),
        st.integers(1, 40),
        st.sampled_from([60.0, 74.0, 79.0, 80.0, 85.0]),
        st.sampled_from([0.0, 20.0, 60.0]),
    ),
    min_size=1,
    max_size=60,
)


def in_time(steps: list[tuple[str, int, float, float]]) -> list[Reading]:
    at, made = 0, []
    for device, step, temperature_c, load_pct in steps:
        at += step
        made.append(a_reading(at, device=device, temperature_c=temperature_c, load_pct=load_pct))
    return made


@settings(max_examples=150, deadline=None)
@given(
    readings,
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=4),
    st.integers(1, 7),
)
def test_kills_at_any_step_change_nothing(
    steps: list[tuple[str, int, float, float]], kills: list[tuple[str, int]], batch_rows: int
) -> None:
    values = [wire.encode(reading) for reading in in_time(steps)]

    store = killed_at(values, kills, batch_rows)

    assert outcome(store) == undisturbed(values)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_the_middle_of_an_episode_tells_nothing_twice(step: str) -> None:
    values = [
        wire.encode(a_reading(5 * row, device="a", temperature_c=temperature_c, load_pct=load_pct))
        for row, (temperature_c, load_pct) in enumerate(
            [(70, 60)] * 4 + [(82, 60)] * 4 + [(70, 0)] * 4
        )
    ]

    store = killed_at(values, [(step, 0), (step, 1), (step, 0)], 2)

    states = [event.state for event in outcome(store)[0]]
    assert len(states) == len(set(states)) == 3
    assert outcome(store) == undisturbed(values)


def test_a_record_that_moved_an_alert_moves_nothing_when_it_is_read_again() -> None:
    """Written but not committed: the alert stands already where this record has put it."""
    temperatures = [85, *[74] * 5, 85]
    values = [
        wire.encode(a_reading(5 * row, device="a", temperature_c=temperature_c, load_pct=0))
        for row, temperature_c in enumerate(temperatures)
    ]

    store = killed_at(values, [("written", 0)], batch_rows=len(values))

    assert outcome(store) == undisturbed(values)
    assert len(outcome(store)[0]) == 3


class LastOneStays(MemoryStore):
    """A store without transactions, where a reading that is saved again replaces itself."""

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[tuple[str, int], Status] = {}

    def save(self, scored: Scored) -> None:
        super().save(scored)
        rows = scored.rows
        for row, place in enumerate(zip(rows.device_ids, rows.measured_at, strict=True)):
            if row in rows.stored_before:
                self.status.setdefault(place, rows.status[row])
            else:
                self.status[place] = rows.status[row]


def test_a_reading_that_is_saved_again_after_its_alert_has_moved_on_keeps_its_status() -> None:
    heats = [(60.0, 0.0), (74.0, 60.0), (79.0, 60.0), (85.0, 60.0), (79.0, 0.0), (60.0, 0.0)]
    values = [
        wire.encode(a_reading(5 * place, temperature_c=temperature_c, load_pct=load_pct))
        for place, (temperature_c, load_pct) in enumerate(heats * 4)
    ]
    calm, killed, log = LastOneStays(), LastOneStays(), Log(values)
    consume(Log(values), calm, batch_rows=20)

    def end_here(step: str) -> None:
        if step == "written":
            raise Killed

    with pytest.raises(Killed):
        consume(log, killed, batch_rows=20, reached=end_here)
    consume(log, killed, batch_rows=20)

    assert killed.status == calm.status
    assert {Status.SOON, Status.STRESSED, Status.OK} <= set(calm.status.values())
