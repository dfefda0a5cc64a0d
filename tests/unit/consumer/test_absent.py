"""Devices that died while no consumer was there are found in the store, once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import pytest

from consumer.absent import OPEN_EVERY_MS, Absent
from fleetpulse.alerts import AlertEvent, State, Status
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerAway
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ClockAhead, StoredReading
from tests.unit.consumer.builders import NOON, a_reading
from tests.unit.consumer.offline_world import World, states

AWAY_S = 3_600.0


class Started:
    """A consumer that has just been started on a store, and its look for absent devices."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self.world = World(store, clock)
        self.absent = Absent(store, self.world.rules, self.world.offline, self.world.log, clock)

    def run(self, seconds: float, *speaking: str) -> list[AlertEvent]:
        """Let it work for so long; what it told."""
        found: list[AlertEvent] = []
        for _ in range(round(seconds / 5)):
            found += self.world.speak(5, *speaking)
            self.absent.look(threading.Event())
        return found + self.world.hear()


def a_store_with(*devices: str) -> tuple[MemoryStore, ManualClock]:
    """What a consumer has left that stopped an hour ago, when these devices were well."""
    world = World()
    world.speak(60, *devices)
    world.clock.advance(AWAY_S)
    return world.store, world.clock


def test_a_device_that_died_while_the_consumer_was_away_is_called_offline_once() -> None:
    started = Started(*a_store_with("dead", "well"))

    told = started.run(600, "well")

    (event,) = told
    assert (event.device_id, event.state, event.episode) == ("dead", State.OFFLINE, 1)
    assert event.at - round(1000 * (event.value or 0)) == NOON + 55_000
    assert event.limit == pytest.approx(30.0)


def test_nobody_is_called_dead_in_the_first_minute() -> None:
    started = Started(*a_store_with("dead"))

    assert started.run(55) == []
    assert len(started.run(60)) == 1


def test_a_device_that_another_member_hears_is_not_dead_even_by_a_slow_clock() -> None:
    world = World()
    world.hear(*(a_reading(at - 7_200, device="slow") for at in range(0, 60, 5)))
    started, member = Started(world.store, world.clock), World(world.store, world.clock)

    told: list[AlertEvent] = []
    for _ in range(60):
        member.hear(a_reading(member.now_s - 7_100, device="slow"))
        told += started.run(5, "other")

    assert told == []


def test_as_long_as_the_group_has_not_read_all_nobody_is_dead() -> None:
    started = Started(*a_store_with("dead"))
    behind = started.world.log
    group_has_read = behind.group_has_read
    behind.group_has_read = lambda ends: False  # type: ignore[method-assign]

    assert started.run(600) == []

    behind.group_has_read = group_has_read  # type: ignore[method-assign]
    assert states(started.run(120)) == [("dead", State.OFFLINE)]


def test_a_broker_that_does_not_answer_stops_the_search() -> None:
    started = Started(*a_store_with("dead"))
    started.run(60)
    started.world.log.is_away = True
    started.world.clock.advance(30)

    with pytest.raises(BrokerAway):
        started.absent.look(threading.Event())


def test_what_is_offline_already_is_not_told_again() -> None:
    store, clock = a_store_with("dead")
    first = Started(store, clock)
    assert len(first.run(120)) == 1
    clock.advance(AWAY_S)

    assert Started(store, clock).run(600) == []


def test_two_members_that_both_find_it_make_one_event() -> None:
    store, clock = a_store_with("dead")
    one, other = Started(store, clock), Started(store, clock)

    told: list[AlertEvent] = []
    for _ in range(30):
        told += one.run(5)
        told += other.run(5)

    assert {event.event_id for event in told} == {"dead:offline:1:offline"}
    assert len(store.alerts.events_page()) == 1


def test_a_device_that_was_found_dead_is_online_when_it_speaks() -> None:
    started = Started(*a_store_with("dead"))
    started.run(120)

    (event,) = started.world.hear(a_reading(started.world.now_s, device="dead"))

    assert (event.state, event.episode) == (State.ONLINE, 1)
    assert event.value is not None
    assert event.value > AWAY_S


def test_a_device_that_may_be_offline_is_not_looked_at_and_its_alert_closes() -> None:
    store, clock = a_store_with("dead", "spare")
    world = World(store, clock)
    world.change("spare", enabled=False)
    started = Started(store, clock)
    assert states(started.run(120)) == [("dead", State.OFFLINE)]

    world.change("dead", enabled=False)

    assert states(started.run(20)) == [("dead", State.OK)]
    assert [state.level for state in store.alerts.states_of(["dead"])] == [Status.OK]


def test_a_device_whose_clock_is_known_to_be_wrong_is_not_called_dead() -> None:
    store, clock = a_store_with("ahead")
    ahead = ClockAhead(device_id="ahead", kind="raspberry", ahead_ms=900_000, at=clock.now_ms())
    store.devices.clocks_ahead([ahead])

    assert Started(store, clock).run(600) == []


def test_an_alert_that_a_late_member_left_open_is_closed_by_the_next_reading() -> None:
    store, clock = a_store_with("pi-1")
    started = Started(store, clock)
    started.run(60, "pi-1")
    late = World(store, ManualClock(clock.now_ms()))
    late.hear(a_reading(late.now_s - 5), a_reading(late.now_s), saves=False)
    late.wait(60)
    assert store.alerts.page(open_only=True)

    told = started.run(OPEN_EVERY_MS / 1000 + 10, "pi-1")

    assert states(told) == [("pi-1", State.ONLINE)]
    assert store.alerts.page(open_only=True) == []


class Counted(MemoryStore):
    """A store that counts what is asked of its readings."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        latest_of = self.readings.latest_of

        def counted(device_ids: Collection[str]) -> Mapping[str, StoredReading]:
            self.asked += len(device_ids)
            return latest_of(device_ids)

        self.readings.latest_of = counted  # type: ignore[method-assign]


def test_the_store_is_asked_once_for_each_device_and_once_more_for_the_dead() -> None:
    store = Counted()
    world = World(store)
    world.speak(30, *(f"pi-{number:04}" for number in range(1_200)))
    world.clock.advance(AWAY_S)
    started = Started(store, world.clock)

    told = started.run(300, "pi-0000")

    assert len(told) == 1_199
    assert store.asked == 2 * 1_199
