"""Who is called offline, who is online again, and what is no silence of a device."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.stages.rules import REFRESH_MS
from fleetpulse.alerts import REST_MS, AlertEvent, Severity, State, Status, event_id
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from tests.unit.consumer.builders import NOON, a_reading
from tests.unit.consumer.offline_world import World, states


def a_world_with(*devices: str, every_s: float = 5.0, seconds: float = 60.0) -> World:
    """A consumer that has listened to these for a while."""
    world = World()
    assert world.speak(seconds, *devices, every_s=every_s) == []
    return world


def test_a_device_that_stops_is_offline_after_six_intervals_and_says_when_it_was_heard() -> None:
    world = a_world_with("pi-1", "pi-2")
    heard_at = world.clock.now_ms() - 5_000

    found = [event for _ in range(10) for event in world.speak(5, "pi-2")]

    (event,) = found
    assert (event.device_id, event.state, event.previous_state) == (
        "pi-1",
        State.OFFLINE,
        State.OK,
    )
    assert event.event_id == event_id("pi-1", "offline", 1, State.OFFLINE)
    assert event.limit == 30.0
    assert event.value is not None
    assert 30.0 <= event.value <= 34.0
    assert event.at - round(1000 * event.value) == heard_at
    assert event.severity is Severity.WARNING


def test_a_device_that_speaks_again_is_online_after_as_long_as_it_was_silent() -> None:
    world = a_world_with("pi-1")
    (gone,) = world.wait(60)

    (back,) = world.hear(a_reading(world.now_s, device="pi-1"))

    assert (back.state, back.previous_state, back.episode) == (State.ONLINE, State.OFFLINE, 1)
    assert back.value == 65.0
    assert back.severity is Severity.INFO
    (alert,) = world.store.alerts.page()
    assert (alert.state, alert.opened_at, alert.closed_at) == (State.ONLINE, gone.at, back.at)
    (state,) = world.store.alerts.states_of(["pi-1"])
    assert (state.level, state.episode) == (Status.OK, 1)


def test_a_silence_makes_one_event_and_not_one_each_look() -> None:
    world = a_world_with("pi-1")

    assert states(world.wait(3_600)) == [("pi-1", State.OFFLINE)]


@pytest.mark.parametrize(("every_s", "limit_s"), [(1.0, 30.0), (5.0, 30.0), (20.0, 120.0)])
def test_the_limit_is_never_less_than_six_intervals(every_s: float, limit_s: float) -> None:
    world = a_world_with("pi-1", every_s=every_s, seconds=10 * every_s)

    assert world.wait(limit_s - every_s - 1) == []
    (event,) = world.wait(10)
    assert event.limit == pytest.approx(limit_s)


def test_devices_of_any_normal_cadence_that_speak_on_are_never_offline() -> None:
    for every_s in (1.0, 5.0, 30.0, 120.0):
        assert World().speak(20 * every_s, "pi-1", every_s=every_s) == []


def test_a_lost_reading_or_two_do_not_change_the_limit() -> None:
    world = a_world_with("pi-1")
    world.wait(15)
    world.speak(15, "pi-1")

    (event,) = world.wait(40)

    assert event.limit == pytest.approx(30.0)


def test_a_device_that_becomes_slower_is_called_offline_once_at_most() -> None:
    world = a_world_with("pi-1", every_s=1.0)

    told = world.speak(1_200, "pi-1", every_s=60.0)

    assert states(told) == [("pi-1", State.OFFLINE), ("pi-1", State.ONLINE)]


def test_a_device_heard_once_has_the_time_of_the_slowest_cadence() -> None:
    world = World()
    world.hear(a_reading(0, device="pi-1"))

    assert world.wait(700) == []
    assert states(world.wait(30)) == [("pi-1", State.OFFLINE)]


def test_an_owner_changes_the_limit_and_how_long_past_it_counts() -> None:
    world = a_world_with("pi-1", "pi-2")
    world.change("pi-1", limit=90.0)
    world.change("pi-2", hold_s=20.0)
    world.speak(5, "pi-1", "pi-2")

    told = world.wait(100)

    assert states(told) == [("pi-2", State.OFFLINE), ("pi-1", State.OFFLINE)]
    assert [event.limit for event in told] == [50.0, 90.0]


def test_a_device_that_may_be_offline_is_left_alone() -> None:
    world = a_world_with("pi-1")
    world.change(enabled=False)

    assert world.wait(600) == []


def test_saying_that_a_device_may_be_offline_closes_its_alert() -> None:
    world = a_world_with("pi-1")
    world.wait(60)
    world.change(enabled=False)

    (event,) = world.wait(2 * REFRESH_MS / 1000)

    assert (event.state, event.previous_state) == (State.OK, State.OFFLINE)
    assert world.store.alerts.page(open_only=True) == []
    assert world.hear(a_reading(world.now_s, device="pi-1")) == []


def test_a_broker_that_does_not_answer_is_no_silence_of_a_device() -> None:
    world = a_world_with("pi-1")
    world.log.is_away = True

    assert world.wait(600) == []


def test_after_an_outage_a_device_has_its_whole_limit_anew() -> None:
    world = a_world_with("pi-1")
    world.log.is_away = True
    world.wait(600)
    world.log.is_away = False

    assert world.wait(29) == []
    assert states(world.wait(10)) == [("pi-1", State.OFFLINE)]


def test_an_outage_that_nobody_asked_in_counts_too() -> None:
    world = a_world_with("pi-1")
    world.log.outages += 1

    assert world.wait(29) == []
    assert states(world.wait(10)) == [("pi-1", State.OFFLINE)]


def test_a_consumer_that_is_behind_calls_nobody_offline() -> None:
    world = a_world_with("pi-1", "pi-2")
    world.log.is_behind = True

    assert world.speak(600, "pi-2") == []

    world.log.is_behind = False
    assert world.speak(25, "pi-2") == []
    assert states(world.speak(15, "pi-2")) == [("pi-1", State.OFFLINE)]


@pytest.mark.parametrize("pause_s", [6, 3_600, -3_600])
def test_a_pause_of_ours_gives_everybody_the_whole_limit_anew(pause_s: float) -> None:
    world = a_world_with("pi-1")
    world.wait(20)
    world.clock.advance(pause_s)

    assert world.hear() == []
    assert world.wait(28) == []
    assert states(world.wait(10)) == [("pi-1", State.OFFLINE)]


def test_devices_of_a_partition_that_was_given_away_are_left_alone() -> None:
    world = a_world_with("pi-1")
    world.log.assigned = ()

    assert world.wait(600) == []


def test_partitions_that_come_are_heard_for_a_whole_limit_first() -> None:
    world = a_world_with("pi-1")
    world.wait(25)
    world.offline.forget(np.array([world.roster.known("pi-1")]))
    world.limits.forget([0])
    world.hear(a_reading(55, device="pi-1"), replayed=True, offset=world.records - 1)

    assert world.wait(29) == []
    assert states(world.wait(700)) == [("pi-1", State.OFFLINE)]


def test_replayed_readings_bring_nobody_online() -> None:
    world = a_world_with("pi-1")
    world.wait(60)
    again = World(world.store, world.clock)

    assert again.hear(a_reading(55, device="pi-1"), replayed=True) == []
    assert states(again.hear(a_reading(world.now_s, device="pi-1"), offset=99)) == [
        ("pi-1", State.ONLINE)
    ]


def test_a_device_that_died_before_a_restart_was_last_heard_when_its_reading_was_made() -> None:
    world = a_world_with("pi-1")
    again = World(MemoryStore(), world.clock)
    world.clock.advance(300)
    again.hear(a_reading(50, device="pi-1"), a_reading(55, device="pi-1"), replayed=True)

    (event,) = again.wait(40)

    assert event.at - round(1000 * (event.value or 0)) == NOON + 55_000


def test_a_batch_that_is_read_again_after_its_device_fell_silent_brings_nobody_online() -> None:
    world = a_world_with("pi-1")
    last = world.records - 1
    world.wait(60)
    again = World(world.store, world.clock)

    assert again.hear(a_reading(55, device="pi-1"), offset=last) == []

    (back,) = again.hear(a_reading(world.now_s, device="pi-1"), offset=last + 1)
    assert (back.state, back.episode, back.value) == (State.ONLINE, 1, 65.0)


def test_what_was_told_and_not_stored_is_told_again_under_the_same_name() -> None:
    world = a_world_with("pi-1")
    told: list[AlertEvent] = []
    while not told:
        world.clock.advance(0.25)
        told = world.hear(saves=False)
    again = World(world.store, world.clock)
    again.hear(a_reading(50), a_reading(55), replayed=True)

    assert [event.event_id for event in again.wait(60)] == [told[0].event_id]


def test_two_members_that_both_tell_it_make_one_event() -> None:
    world = a_world_with("pi-1")
    other = World(world.store, ManualClock(world.clock.now_ms()))
    other.hear(a_reading(50), a_reading(55), saves=False)

    told = world.wait(60) + other.wait(60)

    assert len(told) == 2
    assert len(world.store.alerts.events_page()) == 1


def test_a_wrong_clock_of_a_device_is_no_silence_of_it() -> None:
    world = World()
    for _ in range(100):
        assert world.hear(a_reading(world.now_s - 7_200, device="slow")) == []
        assert world.wait(5) == []


def test_a_device_whose_readings_are_refused_for_their_date_speaks_all_the_same() -> None:
    world = a_world_with("pi-1")
    for _ in range(50):
        assert world.hear(a_reading(world.now_s + 600, device="pi-1")) == []
        assert world.wait(5) == []

    assert states(world.wait(60)) == [("pi-1", State.OFFLINE)]
    assert states(world.hear(a_reading(world.now_s + 600, device="pi-1"))) == [
        ("pi-1", State.ONLINE)
    ]


def test_an_offline_alert_of_before_leaves_the_status_of_a_reading_alone() -> None:
    world = a_world_with("pi-1")
    world.wait(60)

    world.hear(a_reading(world.now_s, device="pi-1", temperature_c=50, load_pct=10))

    newest = world.store.readings.latest("pi-1")
    assert newest is not None
    assert newest.status is Status.OK


def test_a_device_that_flaps_is_not_told_of_again_and_again() -> None:
    world = a_world_with("pi-1")
    world.change(limit=10.0)
    world.speak(5, "pi-1", every_s=1.0)

    told: list[AlertEvent] = []
    for _ in range(20):
        told += world.wait(14)
        told += world.speak(3, "pi-1", every_s=1.0)

    ends = {event.episode: event.at for event in told if event.state is State.ONLINE}
    begins = {event.episode: event.at for event in told if event.state is State.OFFLINE}
    assert len(begins) > 3
    assert all(begins[one + 1] - ends[one] >= REST_MS for one in ends if one + 1 in begins)


def test_nobody_is_asked_while_everybody_speaks() -> None:
    world = a_world_with("pi-1", "pi-2")
    asked = world.log.asked

    world.speak(600, "pi-1", "pi-2")

    assert world.log.asked == asked


def test_the_broker_is_asked_every_two_seconds_at_most() -> None:
    world = a_world_with("pi-1")
    asked = world.log.asked
    world.log.is_behind = True

    world.wait(60)

    assert world.log.asked - asked <= 30


def test_a_thousand_that_stop_at_once_are_told_at_once() -> None:
    devices = [f"pi-{number}" for number in range(1_000)]
    world = a_world_with(*devices, seconds=40)

    told = world.wait(40, step_s=1)

    assert sorted(states(told)) == sorted((device, State.OFFLINE) for device in devices)
    assert {event.at for event in told} == {told[0].at}


def test_an_alert_that_another_member_left_open_is_closed_by_the_next_reading() -> None:
    world = a_world_with("pi-1")
    other = World(world.store, ManualClock(world.clock.now_ms()))
    other.hear(a_reading(50), a_reading(55), saves=False)
    other.wait(60)  # stored after the device had come to us
    (state,) = world.store.alerts.states_of(["pi-1"])

    world.offline.find(state)
    world.hear()

    assert states(world.hear(a_reading(world.now_s, device="pi-1"))) == [("pi-1", State.ONLINE)]
