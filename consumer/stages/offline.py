"""Devices that fall silent: who is offline, and who is online again.

Silence is judged by our clock, from the arrival of a device's newest reading, and only in a time
that we have listened through (consumer/listening.py). So no clock of a device, no pause of ours and
no trouble of the broker is taken for the silence of a device.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from consumer.batch import Batch
from consumer.listening import PAUSE_MS, Listening, Log
from consumer.roster import Roster
from consumer.stages.cadence import Heard
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import (
    OFFLINE,
    RULE_NAMES,
    AlertEvent,
    AlertState,
    Position,
    Rule,
    State,
    Status,
    after,
    event_id,
    is_judged,
    next_presence,
    severity_of,
)
from fleetpulse.clock import Clock
from fleetpulse.presence import STALE_INTERVALS
from fleetpulse.stores.protocols import AlertStore

LOOK_MS = 500
MOST_FOUND = 500  # of those found beside, in one batch
_COLUMN = RULE_NAMES.index(OFFLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What begins for the alert of one device's silence."""

    before: AlertState
    kind: str
    rule: Rule
    begun: State
    at: int  # Unix ms, our clock
    heard_at: int  # when the device was last heard before
    limit_s: float  # the silence that it may keep
    judged: Position | None  # the newest record of it that we have heard

    @property
    def state(self) -> AlertState:
        """The alert after it."""
        return after(self.before, self.begun, self.at, self.judged)

    @property
    def event(self) -> AlertEvent:
        """What people are told; value: the seconds of silence until then."""
        device_id, rule, episode = self.before.device_id, self.rule.name, self.state.episode
        was_offline = self.before.level is Status.STRESSED
        return AlertEvent(
            event_id=event_id(device_id, rule, episode, self.begun),
            device_id=device_id,
            kind=self.kind,
            rule=rule,
            episode=episode,
            state=self.begun,
            previous_state=State.OFFLINE if was_offline else State.OK,
            at=self.at,
            value=max(0, self.at - self.heard_at) / 1000,
            limit=self.limit_s,
            severity=severity_of(self.begun, self.rule),
        )


@dataclass(slots=True)
class _Told:
    """What a batch brings."""

    states: dict[str, AlertState] = field(default_factory=dict)
    events: list[AlertEvent] = field(default_factory=list)


class Offline:
    """The stage; it owns the offline alerts of the devices of this process."""

    def __init__(
        self,
        store: AlertStore,
        rules: RuleBook,
        roster: Roster,
        log: Log,
        clock: Clock,
        *,
        batch_ms: int,
    ) -> None:
        """batch_ms: how long a batch may wait for readings; so long we are never called away."""
        self._store, self._rules, self._roster, self._log = store, rules, roster, log
        self._clock, self._heard = clock, Heard()
        self._listening = Listening(log, pause_ms=PAUSE_MS + batch_ms)
        self._offline: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)  # by slot
        self._states: dict[str, AlertState] = {}  # by device
        self._heard_at: dict[str, int] = {}  # of devices that are offline
        self._to_take: list[AlertState] = []
        self._found: deque[Change | AlertState] = deque()
        self._look_at = 0
        self._cluster = ""
        self._wanted = False  # somebody is silent for so long that we must know

    @property
    def listening_since(self) -> int | None:
        """Since when nothing is kept from us, Unix ms; None: we may not hear all."""
        return self._listening.since

    def __call__(self, batch: Batch) -> Batch:
        """The batch with who is offline, and who is online again."""
        now, told, self._cluster = self._clock.now_ms(), _Told(), batch.cluster
        self._grow(len(self._roster))
        if now < self._look_at - LOOK_MS:  # our clock was set back
            self._heard.none_after(now)
        if len(batch) or batch.clocks_ahead:
            self._hear(batch, now, told)
        heard_until = self._listening.look(now, ask=self._wanted)
        if heard_until is not None or not 0 <= self._look_at - now <= LOOK_MS:
            self._look_at = now + LOOK_MS
            self._end_unwatched(now, told)
            self._look(now, heard_until, told)
        if self._found:
            self._take_found(told)
        if not told.events:
            return batch
        return replace(
            batch,
            states=(*batch.states, *told.states.values()),
            events=(*batch.events, *told.events),
        )

    def load(self, states: Sequence[AlertState]) -> None:
        """Take these stored states over, of devices that have just come to this process.

        Must be called before their batch. Raises StoreBusy or StoreError; then the next call goes
        on with them.
        """
        self._to_take += [state for state in states if state.rule == OFFLINE]
        while self._to_take:
            self._take(self._to_take[-1])
            self._to_take.pop()

    def forget(self, slots: NDArray[np.int64]) -> None:
        """Forget these devices, and listen anew: partitions have come to us."""
        self._grow(len(self._roster))
        self._heard.forget(slots)
        self._offline[slots] = False
        for slot in slots.tolist():
            self._states.pop(self._roster.device_ids[slot], None)
            self._heard_at.pop(self._roster.device_ids[slot], None)
        self._listening.stop()

    def knows(self, device_id: str) -> bool:
        """Whether the device has spoken to this process; in any thread."""
        slot = self._roster.known(device_id)
        return slot is not None and slot < len(self._heard.at) and bool(self._heard.at[slot] >= 0)

    def calls(self, device_id: str) -> bool:
        """Whether we call the device offline; in any thread."""
        slot = self._roster.known(device_id)
        return slot is not None and slot < len(self._offline) and bool(self._offline[slot])

    def find(self, found: Change | AlertState) -> None:
        """Tell this with one of the next batches; in any thread.

        A state: it is stored that a device of ours is offline, which we may not know.
        """
        self._found.append(found)

    def _hear(self, batch: Batch, now: int, told: _Told) -> None:
        back = np.flatnonzero(self._offline[batch.slots] & ~batch.replayed)
        if len(back):
            logs = batch.logs()
            for row in back.tolist():
                here = Position(logs[batch.partition_of[row]], int(batch.offsets[row]))
                self._back(int(batch.slots[row]), here, now, told)
        self._heard.note(batch, now)
        if batch.clocks_ahead:  # their records are refused, but they speak
            ahead = {clock.device_id for clock in batch.clocks_ahead} - set(batch.device_ids)
            known = [self._roster.known(device_id) for device_id in ahead]
            slots = [slot for slot in known if slot is not None]
            for slot in slots:
                self._back(slot, None, now, told)
            self._heard.note_speaking(np.array(slots, dtype=np.int64), now)

    def _back(self, slot: int, here: Position | None, now: int, told: _Told) -> None:
        """A device was heard: it is online, unless that record was heard before it fell silent."""
        judged = self._state(slot).judged
        if here is not None and is_judged(self._state(slot), here):
            return
        self._move(slot, now, told, heard=True, judged=here or judged)

    def _end_unwatched(self, now: int, told: _Told) -> None:
        """Close the alerts of those that may be offline since their owner has said so."""
        slots = np.flatnonzero(self._offline[: len(self._rules.limit)])
        for slot in slots[np.isnan(self._rules.limit[slots, _COLUMN])].tolist():
            if self._is_ours(slot):
                self._move(slot, now, told, heard=False, judged=self._state(slot).judged)

    def _look(self, now: int, heard_until: int | None, told: _Told) -> None:
        """Call offline who was silent for too long when we heard all."""
        self._wanted, since = False, self._listening.since
        if since is None:
            return
        heard = self._heard.at[: len(self._roster)]
        limit_ms = 1000 * self._rules.limit[: len(heard), _COLUMN]  # NaN: not watched
        silent_since = np.maximum(heard, since)
        candidates = (heard >= 0) & ~self._offline[: len(heard)]
        slots = np.flatnonzero(candidates & (now - silent_since >= limit_ms / 2))
        if not len(slots):
            return
        limit_ms = np.maximum(limit_ms[slots], STALE_INTERVALS * self._heard.interval_ms(slots))
        # Asked from half of it on, so that a broker that is away meanwhile does not go unnoticed.
        self._wanted = bool((now - silent_since[slots] >= limit_ms / 2).any())
        if heard_until is None:
            return
        due = heard_until - silent_since[slots] >= limit_ms
        for slot, its_limit_ms in zip(slots[due].tolist(), limit_ms[due].tolist(), strict=True):
            its_limit_ms += 1000 * self._rules.rule(slot, OFFLINE).hold_s
            if heard_until - silent_since[slot] >= its_limit_ms and self._is_ours(slot):
                judged = self._place(slot)
                limit_s = its_limit_ms / 1000
                self._move(slot, heard_until, told, heard=False, judged=judged, limit_s=limit_s)

    def _move(
        self,
        slot: int,
        at: int,
        told: _Told,
        *,
        heard: bool,
        judged: Position | None,
        limit_s: float | None = None,
    ) -> None:
        """What begins for a device that is heard, or not heard; nothing may."""
        before, rule = self._state(slot), self._rules.rule(slot, OFFLINE)
        begun = next_presence(before, rule, at, heard=heard)
        if begun is None:
            return
        change = Change(
            before=before,
            kind=self._roster.kinds[slot],
            rule=rule,
            begun=begun,
            at=at,
            heard_at=self._last_heard(slot),
            limit_s=rule.limit if limit_s is None else limit_s,
            judged=judged,
        )
        self._offline[slot] = begun is State.OFFLINE
        self._tell(change, told)

    def _tell(self, change: Change, told: _Told) -> None:
        device_id = change.before.device_id
        self._states[device_id] = told.states[device_id] = change.state
        if change.begun is State.OFFLINE:
            self._heard_at[device_id] = change.heard_at
        else:
            self._heard_at.pop(device_id, None)
        told.events.append(change.event)

    def _take_found(self, told: _Told) -> None:
        """Take in what was found beside, unless the device has spoken to us meanwhile."""
        for _ in range(min(MOST_FOUND, len(self._found))):
            found = self._found.popleft()
            if isinstance(found, AlertState):
                self._adopt(found)
            elif not self.knows(found.before.device_id):
                self._tell(found, told)

    def _adopt(self, state: AlertState) -> None:
        slot = self._roster.known(state.device_id)
        if slot is None or self._offline[slot] or state.episode < self._state(slot).episode:
            return
        self._states[state.device_id] = state
        self._heard_at[state.device_id] = state.since
        self._offline[slot] = True

    def _take(self, state: AlertState) -> None:
        """Take a stored state over, unless ours is newer and still on its way to the store."""
        ours = self._states.get(state.device_id)
        if ours is not None and ours.episode > state.episode:
            state = ours
        elif state.level is Status.STRESSED:
            self._heard_at[state.device_id] = heard_at(self._store, state)
        self._states[state.device_id] = state
        slot = self._roster.known(state.device_id)
        if slot is not None:
            self._grow(slot + 1)
            self._offline[slot] = state.level is Status.STRESSED

    def _last_heard(self, slot: int) -> int:
        """When the device was last heard; of one that is offline, before it fell silent."""
        if self._offline[slot]:
            return self._heard_at[self._roster.device_ids[slot]]
        arrived_at = int(self._heard.at[slot])
        # What is read again had come before; when, its own clock says best.
        measured_at = arrived_at if self._heard.live[slot] else int(self._heard.measured_at[slot])
        return min(arrived_at, measured_at)

    def _place(self, slot: int) -> Position:
        topic, number = self._roster.partition(slot)
        return Position(f"{self._cluster}/{topic}/{number}", int(self._heard.offset[slot]))

    def _state(self, slot: int) -> AlertState:
        device_id = self._roster.device_ids[slot]
        return self._states.get(device_id) or AlertState(device_id=device_id, rule=OFFLINE)

    def _is_ours(self, slot: int) -> bool:
        """Whether the device's partition is still ours, not another member's."""
        return self._roster.partition(slot) in self._log.assigned

    def _grow(self, slots: int) -> None:
        missing = slots - len(self._offline)
        if missing > 0:
            room = np.zeros(max(missing, len(self._offline), 64), dtype=np.bool_)
            self._offline = np.concatenate([self._offline, room])


def heard_at(store: AlertStore, state: AlertState) -> int:
    """When a device that is offline was last heard, Unix ms, as its event says."""
    event = store.event(event_id(state.device_id, OFFLINE, state.episode, State.OFFLINE))
    silent_s = event.value if event is not None and event.value is not None else 0.0
    return state.since - round(1000 * silent_s)
