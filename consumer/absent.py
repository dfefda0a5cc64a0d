"""Devices that have not spoken since this process began: they may have died while it was away.

A look into the store, beside the hot path: once at devices whose newest reading is old, and now and
then at the offline alerts that are open. What comes of it is told by the stage.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from consumer.batch import Partition
from consumer.stages.cadence import GAPS, LONGEST_MS
from consumer.stages.offline import Change, Offline, heard_at
from consumer.stages.rules import RuleBook
from fleetpulse.alerts import (
    LONGEST_GAP_MS,
    OFFLINE,
    AlertState,
    Rule,
    Status,
    next_presence,
)
from fleetpulse.clock import Clock
from fleetpulse.errors import BrokerError, StoreError
from fleetpulse.notices import OURSELVES
from fleetpulse.presence import STALE_AT_LEAST_MS, STALE_INTERVALS
from fleetpulse.stores.pages import all_alerts
from fleetpulse.stores.protocols import Device, Store, StoredReading

log = logging.getLogger(__name__)

LOOK_S = 5.0
OPEN_EVERY_MS = 600_000  # a store bills each look
_AT_ONCE = 500  # devices


class Group(Protocol):
    """How far all members have read: a device that we do not hear may be another's."""

    def group_must_read(self) -> Mapping[Partition, int]:
        """Up to where any member must read to know all that there is now. Raises BrokerAway."""

    def group_has_read(self, ends: Mapping[Partition, int]) -> bool:
        """Whether the group has stored all up to there. Raises BrokerAway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    """A device whose newest reading is old; if it still is the newest at `due_at`, it is dead."""

    device: Device
    newest: StoredReading
    rule: Rule
    limit_s: float
    due_at: int


class Absent:
    """Finds devices that were dead before we came."""

    def __init__(
        self, store: Store, rules: RuleBook, offline: Offline, group: Group, clock: Clock
    ) -> None:
        self._store, self._rules, self._offline = store, rules, offline
        self._group, self._clock = group, clock
        self._after: str | None = None  # devices up to this one were seen
        self._seen_all = False
        self._suspects: dict[str, _Suspect] = {}
        self._must_read: Mapping[Partition, int] | None = None
        self._open: dict[str, str] = {}  # devices with an open alert, and their kinds
        self._read_open_at: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            try:
                self.look(stop)
            except (StoreError, BrokerError) as problem:
                self._must_read = None
                log.warning("absent devices are looked for later", extra={"problem": str(problem)})
            self._clock.wait(LOOK_S, stop)

    def look(self, stop: threading.Event) -> None:
        """Go on with the search, if we have listened for as long as a device may be silent.

        Raises StoreError or BrokerError; the next look goes on.
        """
        now, since = self._clock.now_ms(), self._offline.listening_since
        if since is None or now - since < STALE_AT_LEAST_MS:
            return
        self._look_at_open(now)
        while not self._seen_all and not stop.is_set() and self._group_knows_all():
            self._suspect_some(now)
        due = [each for each in self._suspects.values() if each.due_at <= now]
        if self._seen_all and due and self._group_knows_all():
            self._judge(due, now)

    def _group_knows_all(self) -> bool:
        """Whether all that was in the logs at some moment since the last yes is stored."""
        if self._must_read is None:
            self._must_read = self._group.group_must_read()
        if not self._group.group_has_read(self._must_read):
            return False
        self._must_read = None
        return True

    def _suspect_some(self, now: int) -> None:
        """Note which of the next devices have an old newest reading, and are not heard by us."""
        page = self._store.devices.page(after=self._after, limit=_AT_ONCE)
        unheard = [
            device
            for device in page
            if device.kind != OURSELVES and not self._offline.knows(device.device_id)
        ]
        latest = self._store.readings.latest_of([device.device_id for device in unheard])
        for device in unheard:
            newest = latest.get(device.device_id)
            rule = self._rules.rule_of(device.device_id, device.kind, OFFLINE)
            if newest is None or not rule.enabled or _has_wrong_clock(device, newest):
                continue
            if now - newest.measured_at >= 1000 * rule.limit:
                self._suspect(device, newest, rule, now)
        self._seen_all = len(page) < _AT_ONCE
        self._after = page[-1].device_id if page else self._after

    def _suspect(self, device: Device, newest: StoredReading, rule: Rule, now: int) -> None:
        readings = self._store.readings.page(device.device_id, limit=GAPS + 1, newest_first=True)
        interval_s = interval_ms_of(readings[::-1]) / 1000
        limit_s = max(rule.limit, STALE_INTERVALS * interval_s) + rule.hold_s
        if now - newest.measured_at >= 1000 * limit_s:
            self._suspects[device.device_id] = _Suspect(
                device=device,
                newest=newest,
                rule=rule,
                limit_s=limit_s,
                due_at=now + round(1000 * limit_s),
            )

    def _judge(self, due: Sequence[_Suspect], now: int) -> None:
        """Who has stayed silent since: by whoever's clock, nobody has heard them."""
        due = due[:_AT_ONCE]
        latest = self._store.readings.latest_of([each.device.device_id for each in due])
        states = self._states(each.device.device_id for each in due)
        for each in due:
            device_id = each.device.device_id
            del self._suspects[device_id]
            if _place(latest.get(device_id)) == _place(each.newest):
                self._find(states[device_id], each.device.kind, each.rule, now, each)

    def _find(
        self, state: AlertState, kind: str, rule: Rule, now: int, dead: _Suspect | None = None
    ) -> None:
        """Have the stage tell what begins for this device, if anything does."""
        begun = next_presence(state, rule, now, heard=False)
        if begun is None:
            return
        self._offline.find(
            Change(
                before=state,
                kind=kind,
                rule=rule,
                begun=begun,
                at=now,
                heard_at=dead.newest.measured_at if dead else heard_at(self._store.alerts, state),
                limit_s=dead.limit_s if dead else rule.limit,
                judged=state.judged,
            )
        )
        if dead:
            self._open[state.device_id] = kind

    def _look_at_open(self, now: int) -> None:
        """Close alerts of devices that may be offline now; tell the stage of those it has missed.

        It misses what another member has stored after the device had come to us.
        """
        if self._read_open_at is None or now - self._read_open_at >= OPEN_EVERY_MS:
            alerts = [one for one in all_alerts(self._store, open_only=True) if one.rule == OFFLINE]
            missed = [
                one.device_id
                for one in alerts
                if self._offline.knows(one.device_id) and not self._offline.calls(one.device_id)
            ]
            for state in self._states(missed).values():
                if state.level is Status.STRESSED:
                    self._offline.find(state)
            self._open = {one.device_id: one.kind for one in alerts}
            self._read_open_at = now
        rules = {
            device_id: self._rules.rule_of(device_id, kind, OFFLINE)
            for device_id, kind in self._open.items()
            if not self._offline.knows(device_id)
        }
        unwatched = [device_id for device_id, rule in rules.items() if not rule.enabled]
        for device_id, state in self._states(unwatched).items():
            self._find(state, self._open.pop(device_id), rules[device_id], now)

    def _states(self, device_ids: Iterable[str]) -> dict[str, AlertState]:
        """The offline alert of each, as it is stored."""
        found = {
            device_id: AlertState(device_id=device_id, rule=OFFLINE) for device_id in device_ids
        }
        if found:
            stored = self._store.alerts.states_of(found)
            found |= {state.device_id: state for state in stored if state.rule == OFFLINE}
        return found


def interval_ms_of(readings: Sequence[StoredReading]) -> float:
    """How often a device with these newest readings, in time order, speaks."""
    gaps = np.diff([reading.measured_at for reading in readings])
    gaps = gaps[(gaps > 0) & (gaps <= LONGEST_GAP_MS)]
    return float(max(np.median(gaps), gaps[-1])) if len(gaps) else float(LONGEST_MS)


def _has_wrong_clock(device: Device, newest: StoredReading) -> bool:
    """Whether the age of its newest reading says nothing: its clock is ahead, or was set back."""
    return device.clock_ahead_at is not None and newest.measured_at <= device.clock_ahead_at


def _place(reading: StoredReading | None) -> tuple[int, int] | None:
    return None if reading is None else (reading.measured_at, reading.seq)
