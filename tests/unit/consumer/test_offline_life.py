"""Devices that come and go, a broker that does so too, and restarts: nothing false is ever told.

Each step is a batch or many. 80 lives of 40 steps each are 3,200 steps, beside those of
tests/unit/test_alert_life.py.
"""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fleetpulse.alerts import OFFLINE, REST_MS, AlertEvent, State, Status
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import a_reading
from tests.unit.consumer.offline_world import World

LIVES, STEPS = 80, 40
DEVICES = ("pi-1", "pi-2", "pi-3")
PREVIOUS = {State.OFFLINE: {State.OK}, State.ONLINE: {State.OFFLINE}, State.OK: {State.OFFLINE}}
LONGEST_LIMIT_S = 6 * 150

some_devices = st.sets(st.sampled_from(DEVICES), min_size=1)
heats = st.sampled_from([60.0, 78.0, 82.0, 84.0])


class Silences(RuleBasedStateMachine):
    """A consumer, and one beside it that is never restarted and has a store of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.steady = World(MemoryStore(), self.world.clock)
        self.records: list[Reading] = []
        self.committed = 0
        self.heard_at: dict[str, int] = {}
        self.troubled_at = self.world.clock.now_ms()  # the last moment of any trouble
        self.limits = dict.fromkeys(DEVICES, 30.0)
        self.may_be_offline: set[str] = set()
        self.told: dict[str, AlertEvent] = {}  # by name
        self.last: dict[str, AlertEvent] = {}  # by device
        self.changing: str | None = None  # the device whose rule is being changed
        self.behind_s = dict.fromkeys(DEVICES, 0.0)  # how far each clock is behind

    @initialize(every_s=st.sampled_from([1.0, 5.0]))
    def begin(self, every_s: float) -> None:
        """All are well."""
        self.speak(set(DEVICES), 60.0, every_s)

    @rule(devices=some_devices, heat=heats, every_s=st.sampled_from([1.0, 5.0, 20.0]))
    def speak(self, devices: set[str], heat: float, every_s: float) -> None:
        """These speak some times."""
        for _ in range(4):
            readings = [self._reading(device, heat) for device in sorted(devices)]
            first = len(self.records)
            self.records += readings
            now = self.world.clock.now_ms()
            told = self.world.hear(*readings, offset=first)
            self.steady.hear(*readings, offset=first)
            self._check(told, spoken=devices)
            self.heard_at |= dict.fromkeys(devices, now)
            self._pass(every_s)

    @rule(devices=some_devices, seconds=st.sampled_from([12.0, 20.0, 40.0]))
    def pause_and_speak(self, devices: set[str], seconds: float) -> None:
        """These come back after a silence, and fall silent again."""
        self._pass(seconds)
        self.speak(devices, 60.0, 1.0)

    @rule(seconds=st.sampled_from([2.0, 20.0, 40.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(device=st.sampled_from(DEVICES), seconds=st.sampled_from([90.0, 7_200.0]))
    def set_a_clock_back(self, device: str, seconds: float) -> None:
        self.behind_s[device] += seconds

    @rule(seconds=st.sampled_from([2.0, 20.0, 60.0]))
    def lose_the_broker(self, seconds: float) -> None:
        self.world.log.is_away = True
        self.world.log.outages += 1
        self._pass(seconds)
        self._trouble()
        self.world.log.is_away = False

    @rule(seconds=st.sampled_from([2.0, 20.0, 60.0]))
    def fall_behind(self, seconds: float) -> None:
        self.world.log.is_behind = True
        self._pass(seconds)
        self.world.log.is_behind = False

    @rule(seconds=st.sampled_from([8.0, 3_600.0]))
    def sleep(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self._trouble()

    @rule()
    def rebalance(self) -> None:
        """The partition goes to another member, and comes back."""
        slots = list(range(len(self.world.roster)))
        self.world.offline.forget(np.array(slots, dtype=np.int64))
        self.world.limits.forget(slots)
        self._check(self.world.hear(*self.records, replayed=True, offset=0), spoken=set())
        self._trouble()

    @rule(device=st.sampled_from(DEVICES), limit=st.sampled_from([10.0, 30.0, 60.0, None]))
    def change_the_rule(self, device: str, limit: float | None) -> None:
        """It is in force within a few seconds."""
        self.world.change(device, limit=limit or 30.0, enabled=limit is not None)
        self.limits[device] = min(self.limits[device], limit or 30.0)
        self.may_be_offline -= {device}
        self.changing = device
        self._pass(4.0)
        self.changing = None
        self.limits[device] = limit or 30.0
        self.may_be_offline |= {device} if limit is None else set()

    @rule(uncommitted=st.integers(0, 6))
    def restart(self, uncommitted: int) -> None:
        """Killed: the last records were stored, but not committed."""
        self.world = World(self.world.store, self.world.clock, self.world.log)
        self.committed = max(self.committed, len(self.records) - uncommitted)
        replayed, again = self.records[: self.committed], self.records[self.committed :]
        self._check(self.world.hear(*replayed, replayed=True, offset=0), spoken=set())
        told = self.world.hear(*again, offset=self.committed)
        self._check(told, spoken=set())  # they have been judged
        self._trouble()

    def _reading(self, device: str, heat: float) -> Reading:
        return a_reading(
            self.world.now_s - self.behind_s[device],
            device=device,
            seq=len(self.records),
            temperature_c=heat,
            load_pct=10.0,
        )

    def _trouble(self) -> None:
        self.troubled_at = self.world.clock.now_ms()

    def _pass(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / 2))):
            self.world.clock.advance(min(2.0, seconds))
            if self.world.log.is_away:
                self._trouble()
            self._check(self.world.hear(), spoken=set())

    def _check(self, told: list[AlertEvent], spoken: set[str]) -> None:
        for event in told:
            self._check_one(event, spoken)
            self.last[event.device_id] = self.told[event.event_id] = event

    def _check_one(self, event: AlertEvent, spoken: set[str]) -> None:
        device, last = event.device_id, self.last.get(event.device_id)
        assert event.event_id not in self.told
        assert event.previous_state in PREVIOUS[event.state]
        assert event.episode == (last.episode if last else 0) + (event.state is State.OFFLINE)
        assert (last is not None and last.state is State.OFFLINE) != (event.state is State.OFFLINE)
        if event.state is State.OFFLINE:
            silent_since = max(self.heard_at[device], self.troubled_at)
            assert event.at - silent_since >= 1000 * self.limits[device]
            assert device not in self.may_be_offline
            assert not self.world.log.is_behind
            assert last is None or event.at - last.at >= REST_MS
        elif event.state is State.ONLINE:
            assert device in spoken
        else:
            assert device in self.may_be_offline or device == self.changing

    def teardown(self) -> None:
        """What is stored agrees, restarts changed nothing, and who is silent is known to be."""
        self._pass(LONGEST_LIMIT_S + 60)
        store = self.world.store
        states = [one for one in store.alerts.states_of(DEVICES) if one.rule == OFFLINE]
        alerts = [one for one in store.alerts.page(open_only=True) if one.rule == OFFLINE]
        offline = {one.device_id for one in states if one.level is Status.STRESSED}
        assert offline == {one.device_id for one in alerts}
        assert offline == self.heard_at.keys() - self.may_be_offline
        assert _heat(store) == _heat(self.steady.store)


def _heat(store: MemoryStore) -> list[tuple[str, int]]:
    events = store.alerts.events_page(limit=10_000)
    return sorted((one.event_id, one.at) for one in events if one.rule != OFFLINE)


TestSilences = Silences.TestCase
TestSilences.settings = settings(max_examples=LIVES, stateful_step_count=STEPS, deadline=None)
