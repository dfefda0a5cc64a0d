"""A store in the memory of one process: a real backend for demonstrations and tests."""

from __future__ import annotations

import bisect
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from fleetpulse.alerts import AlertEvent, AlertState
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.memory_delivery import (
    MemoryChats,
    MemoryDeliveries,
    MemoryDocuments,
    MemoryHeartbeats,
    MemoryKeys,
    MemoryRules,
)
from fleetpulse.stores.protocols import (
    BUCKET_MS,
    Alert,
    Bucket,
    ClockAhead,
    Device,
    Resolution,
    Rollup,
    Scored,
    StoredEvent,
    StoredReading,
    Verdict,
)
from fleetpulse.stores.rollups import day_of, rollup_of_readings, rollup_of_rollups
from fleetpulse.stores.rows import readings_of


class MemoryStore:
    """Everything in dictionaries, under one lock."""

    look_every_s = 0.3

    def __init__(self) -> None:
        lock = threading.RLock()
        self._lock = lock
        self.readings = MemoryReadings(lock)
        self.devices = MemoryDevices(lock)
        self.alerts = MemoryAlerts(lock)
        self.deliveries = MemoryDeliveries(lock)
        self.chats = MemoryChats(lock)
        self.rules = MemoryRules(lock)
        self.keys = MemoryKeys(lock)
        self.heartbeats = MemoryHeartbeats(lock)
        self.documents = MemoryDocuments(lock)

    def save(self, scored: Scored) -> None:
        # Whatever can fail comes first: then all of it is saved, or nothing.
        readings = readings_of(scored.rows)
        with self._lock:
            self.alerts.save_events(scored.events, scored.stored_at)
            self.alerts.save_states(scored.states)
            self.devices.save(scored.new_devices)
            self.readings.save(readings)

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        with self._lock:
            self.readings.roll(resolution, buckets)

    def prune(self, resolution: Resolution, before: int) -> None:
        with self._lock:
            self.readings.prune(resolution, before)

    def check(self) -> None:
        return

    def close(self) -> None:
        return


class MemoryReadings:
    """Readings with their predictions, and their rollups."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._stored: dict[str, dict[tuple[int, int], StoredReading]] = {}
        self._order: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._rollups: dict[Resolution, dict[Bucket, Rollup]] = {each: {} for each in BUCKET_MS}

    def save(self, readings: Iterable[StoredReading]) -> None:
        """Keep those that are not kept yet."""
        for reading in readings:
            kept = self._stored.setdefault(reading.device_id, {})
            place = (reading.measured_at, reading.seq)
            if place not in kept:
                kept[place] = reading
                bisect.insort(self._order[reading.device_id], place)

    def roll(self, resolution: Resolution, buckets: Collection[Bucket]) -> None:
        """Work these rollups out anew; one with nothing below it stays."""
        for bucket in buckets:
            rollup = self._rolled(resolution, bucket)
            if rollup is not None:
                self._rollups[resolution][bucket] = rollup

    def _rolled(self, resolution: Resolution, bucket: Bucket) -> Rollup | None:
        device_id, start = bucket
        if resolution is Resolution.MINUTE:
            places = self._between(device_id, start, start + BUCKET_MS[resolution])
            return rollup_of_readings(bucket, [self._stored[device_id][at] for at in places])
        minutes = range(start, start + BUCKET_MS[resolution], BUCKET_MS[Resolution.MINUTE])
        kept = self._rollups[Resolution.MINUTE]
        found = [kept[(device_id, at)] for at in minutes if (device_id, at) in kept]
        return rollup_of_rollups(bucket, found)

    def prune(self, resolution: Resolution, before: int) -> None:
        """Give up the days before that moment."""
        day = day_of(before)
        if resolution is Resolution.RAW:
            for device_id in list(self._stored):
                self._give_up(device_id, self._between(device_id, None, day))
        else:
            kept = self._rollups[resolution]
            self._rollups[resolution] = {at: kept[at] for at in kept if at[1] >= day}

    def _give_up(self, device_id: str, places: list[tuple[int, int]]) -> None:
        """Forget a device's oldest readings."""
        for place in places:
            del self._stored[device_id][place]
        del self._order[device_id][: len(places)]
        if not self._stored[device_id]:
            del self._stored[device_id], self._order[device_id]

    def _between(
        self, device_id: str, since: int | None, until: int | None
    ) -> list[tuple[int, int]]:
        """The places of a device's readings with since <= measured_at < until, in order."""
        order = self._order.get(device_id, [])
        # (t,) sorts before every (t, seq)
        first = 0 if since is None else bisect.bisect_left(order, (since,))
        last = len(order) if until is None else bisect.bisect_left(order, (until,))
        return order[first:last]

    def latest(self, device_id: str) -> StoredReading | None:
        return self.latest_of([device_id]).get(device_id)

    def latest_of(self, device_ids: Collection[str]) -> Mapping[str, StoredReading]:
        with self._lock:
            return {
                device_id: self._stored[device_id][self._order[device_id][-1]]
                for device_id in device_ids
                if device_id in self._stored
            }

    def page(
        self,
        device_id: str,
        *,
        since: int | None = None,
        until: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[StoredReading]:
        with self._lock:
            places = self._between(device_id, since, until)
            if after is not None and newest_first:
                places = places[: bisect.bisect_left(places, after)]
            elif after is not None:
                places = places[bisect.bisect_right(places, after) :]
            wanted = places[::-1][:limit] if newest_first else places[:limit]
            return [self._stored[device_id][place] for place in wanted]

    def count(self, device_id: str | None = None) -> int:
        with self._lock:
            if device_id is not None:
                return len(self._stored.get(device_id, ()))
            return sum(len(kept) for kept in self._stored.values())

    def rejected_since(self, device_ids: Collection[str], since: int) -> Mapping[str, int]:
        with self._lock:
            counts = {
                device_id: sum(
                    self._stored[device_id][place].rejected
                    for place in self._between(device_id, since, None)
                )
                for device_id in device_ids
            }
        return {device_id: count for device_id, count in counts.items() if count}

    def rollups(
        self,
        device_id: str,
        resolution: Resolution,
        *,
        since: int | None = None,
        until: int | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Rollup]:
        with self._lock:
            found = [
                rollup
                for (owner, at), rollup in self._rollups[resolution].items()
                if owner == device_id
                and (since is None or at >= since)
                and (until is None or at < until)
                and (after is None or (at < after if newest_first else at > after))
            ]
        found.sort(key=lambda rollup: rollup.measured_at, reverse=newest_first)
        return found[:limit]


class MemoryDevices:
    """The machines."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._devices: dict[str, Device] = {}

    def save(self, new: Sequence[Device]) -> None:
        """Keep those that are not kept yet; one that is takes the new kind."""
        for device in new:
            kept = self._devices.get(device.device_id, device)
            self._devices[device.device_id] = replace(kept, kind=device.kind)

    def get(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def page(self, *, after: str | None = None, limit: int = 100) -> Sequence[Device]:
        with self._lock:
            wanted = sorted(name for name in self._devices if after is None or name > after)
            return [self._devices[name] for name in wanted[:limit]]

    def clocks_ahead(self, found: Sequence[ClockAhead]) -> None:
        with self._lock:
            for one in found:
                new = Device(device_id=one.device_id, kind=one.kind, first_seen_at=one.at)
                device = self._devices.get(one.device_id, new)
                self._devices[one.device_id] = replace(
                    device, clock_ahead_ms=one.ahead_ms, clock_ahead_at=one.at
                )


class MemoryAlerts:
    """States, episodes and the outbox of events."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._states: dict[tuple[str, str], AlertState] = {}
        self._outbox: dict[str, StoredEvent] = {}  # by event_id, in the order of stored_at
        self._alerts: dict[str, Alert] = {}
        self._verdicts: dict[str, Verdict] = {}  # by alert_id
        self._told: defaultdict[str, list[AlertEvent]] = defaultdict(list)  # by alert_id

    def save_states(self, states: Sequence[AlertState]) -> None:
        """Keep these states, but for those that were judged later in the same log."""
        for state in states:
            place = (state.device_id, state.rule)
            if not _is_later(self._states.get(place), state):
                self._states[place] = state

    def save_events(self, events: Sequence[AlertEvent], stored_at: int) -> None:
        """Keep the events that are not kept yet, and tell their episodes anew."""
        new = {event.event_id: event for event in reversed(events)}  # the first of equals
        new = {name: event for name, event in new.items() if name not in self._outbox}
        told = {alert_id_of(event): self._told[alert_id_of(event)][:] for event in new.values()}
        for event in new.values():
            told[alert_id_of(event)].append(event)
        alerts = {alert_id: alert_of(known) for alert_id, known in told.items()}
        moment = self._next_moment(stored_at)
        stored = {name: StoredEvent(event=new[name], stored_at=moment) for name in sorted(new)}
        self._outbox.update(stored)
        self._told.update(told)
        self._alerts.update(alerts)

    def _next_moment(self, stored_at: int) -> int:
        """`stored_at`, or just after the newest moment in the outbox if that is later."""
        if not self._outbox:
            return stored_at
        newest = next(reversed(self._outbox.values()))
        return max(stored_at, newest.stored_at + 1)

    def states_of(self, device_ids: Collection[str]) -> Sequence[AlertState]:
        wanted = set(device_ids)
        with self._lock:
            return [self._states[key] for key in sorted(self._states) if key[0] in wanted]

    def page(
        self,
        *,
        device_id: str | None = None,
        open_only: bool = False,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        with self._lock:
            found = {
                (alert.opened_at, alert.alert_id): alert
                for alert in self._alerts.values()
                if (device_id is None or alert.device_id == device_id)
                and not (open_only and alert.closed_at is not None)
            }
        places = _newest_first(found, since=since, until=until, before=before)
        return [found[place] for place in places[:limit]]

    def events_page(
        self,
        *,
        device_id: str | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Sequence[AlertEvent]:
        with self._lock:
            found = {
                (stored.event.at, stored.event.event_id): stored.event
                for stored in self._outbox.values()
                if device_id is None or stored.event.device_id == device_id
            }
        places = _newest_first(found, since=since, until=until, before=before)
        return [found[place] for place in places[:limit]]

    def get(self, alert_id: str) -> Alert | None:
        return self._alerts.get(alert_id)

    def judge(self, verdict: Verdict) -> None:
        with self._lock:
            self._verdicts[verdict.alert_id] = verdict

    def verdicts_of(self, alert_ids: Collection[str]) -> Mapping[str, Verdict]:
        with self._lock:
            wanted = self._verdicts.keys() & set(alert_ids)
            return {alert_id: self._verdicts[alert_id] for alert_id in wanted}

    def event(self, event_id: str) -> AlertEvent | None:
        stored = self._outbox.get(event_id)
        return None if stored is None else stored.event

    def stored_since(self, stored_at: int, *, limit: int = 1000) -> Sequence[StoredEvent]:
        with self._lock:
            found = [stored for stored in self._outbox.values() if stored.stored_at >= stored_at]
        if len(found) <= limit:
            return found
        last_moment = found[limit - 1].stored_at
        return [stored for stored in found if stored.stored_at <= last_moment]


def _is_later(kept: AlertState | None, new: AlertState) -> bool:
    """Whether the kept state was judged at a later offset of the log that the new one is from."""
    if kept is None or kept.judged is None or new.judged is None:
        return False
    return kept.judged.log == new.judged.log and kept.judged.offset > new.judged.offset


def _newest_first(
    places: Iterable[tuple[int, str]],
    *,
    since: int | None,
    until: int | None,
    before: tuple[int, str] | None,
) -> list[tuple[int, str]]:
    return sorted(
        (
            place
            for place in places
            if (since is None or place[0] >= since)
            and (until is None or place[0] < until)
            and (before is None or place < before)
        ),
        reverse=True,
    )
