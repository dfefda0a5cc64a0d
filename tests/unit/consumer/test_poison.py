"""The alarm about records that cannot be read."""

from __future__ import annotations

from consumer.decoding import Decoder
from consumer.poison import CALM_MS, MANY, WINDOW_MS, PoisonWatch
from consumer.roster import Roster
from fleetpulse import wire
from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.notices import OURSELVES, Notices
from fleetpulse.stores.memory import MemoryStore
from tests.unit.consumer.builders import NOON, a_reading, a_record


class Watching:
    """The stage on a store, fed records."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), ManualClock(NOON)
        self.begin()

    def begin(self) -> None:
        """As a process that starts."""
        self._watch = PoisonWatch(Notices(self.store, self.clock), self.clock)

    def feed(self, *values: bytes) -> None:
        records = [a_record(value, offset) for offset, value in enumerate(values)]
        self._watch(Decoder(Roster(), self.clock).decode(records, "test"))

    @property
    def states(self) -> list[State]:
        return [event.state for event in reversed(self.store.alerts.events_page())]


POISON = b"\xff"


def test_many_unreadable_records_are_one_alarm() -> None:
    watching = Watching()

    for _ in range(5 * MANY):
        watching.feed(POISON)

    (alert,) = watching.store.alerts.page()
    assert (alert.device_id, alert.rule) == (OURSELVES, "dead-letters")
    assert alert.causes[0].startswith(f"{MANY} records of the last 5 minutes cannot be read")
    assert "telemetry.test/0 at offset 0, key key" in alert.causes[0]
    assert watching.states == [State.STRESSED]


def test_a_few_are_none() -> None:
    watching = Watching()

    for _ in range(MANY - 1):
        watching.feed(POISON)
    watching.clock.advance(WINDOW_MS / 1000 + 1)
    watching.feed(*[POISON] * (MANY - 1))

    assert watching.states == []


def test_it_is_over_after_a_while_without_any() -> None:
    watching = Watching()
    watching.feed(*[POISON] * MANY)

    watching.clock.advance(CALM_MS / 1000)
    watching.feed()
    still_open = list(watching.states)
    watching.clock.advance(1)
    watching.feed()

    assert still_open == [State.STRESSED]
    assert watching.states == [State.STRESSED, State.RECOVERED]


def test_a_restart_neither_repeats_it_nor_leaves_it_open_for_ever() -> None:
    watching = Watching()
    watching.feed(*[POISON] * MANY)

    watching.begin()
    watching.feed(*[POISON] * MANY)
    repeated = list(watching.states)
    watching.begin()
    watching.clock.advance(CALM_MS / 1000 + 1)
    watching.feed()

    assert repeated == [State.STRESSED]
    assert watching.states == [State.STRESSED, State.RECOVERED]


def test_a_clock_that_is_ahead_is_no_poison() -> None:
    watching = Watching()

    watching.feed(*[wire.encode(a_reading(3600 + second)) for second in range(2 * MANY)])

    assert watching.states == []
