"""Notices in whole sentences: about fleetpulse itself, and about how devices change over weeks.

They are alerts like any other, so that the outbox, the bot, the API and the dashboard carry them
without knowing more. Those about ourselves are of a device that is named `fleetpulse`.
"""

from __future__ import annotations

from enum import StrEnum

from fleetpulse.alerts import AlertEvent, AlertState, Severity, State, Status, event_id
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import NO_ROWS, Device, Scored, Store

OURSELVES = "fleetpulse"  # the device and the kind of these alerts
# Another process to which all looks well may have closed it when it started.
_SAY_AGAIN_MS = 60_000


class Matter(StrEnum):
    """What a notice is about; the rule of the alert."""

    CONSUMER_SILENT = "consumer-silent"
    BOT_SILENT = "bot-silent"
    CHAT_LOST = "chat-lost"
    NOTIFY_SILENT = "notify-silent"
    DEAD_LETTERS = "dead-letters"
    MODEL = "model"
    DRIFT = "drift"  # the fleet is no longer what the models were trained on
    COOLING = "cooling"  # of a device: it gets hotter at the same load than it did


_SEVERITY = {
    Matter.DRIFT: Severity.WARNING,
    Matter.CHAT_LOST: Severity.WARNING,
    Matter.COOLING: Severity.INFO,
}
_OURSELVES = Device(device_id=OURSELVES, kind=OURSELVES, first_seen_at=0)


class Notices:
    """Opens and closes these alerts. Safe to repeat: what is open stays one alert."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        # By device and matter: whether it is wrong, and since when.
        self._said: dict[tuple[str, Matter], tuple[bool, int]] = {}

    def report(self, matter: Matter, problem: str | None, device: Device = _OURSELVES) -> None:
        """Open the alert, or close it: with None, all is well again.

        problem: one sentence for the owner. device: that it is about. Raises StoreBusy or
        StoreError; then ask again later.
        """
        wrong, now = problem is not None, self._clock.now_ms()
        key = (device.device_id, matter)
        said, at = self._said.get(key, (None, now))
        if said is wrong and not (wrong and abs(now - at) >= _SAY_AGAIN_MS):
            return
        state = self._state(matter, device.device_id)
        if (state.level is Status.STRESSED) is not wrong:
            self._change(state, problem, matter, device.kind)
        self._said[key] = (wrong, now)

    def _state(self, matter: Matter, device_id: str) -> AlertState:
        for state in self._store.alerts.states_of([device_id]):
            if state.rule == matter:
                return state
        return AlertState(device_id=device_id, rule=matter)

    def _change(self, before: AlertState, problem: str | None, matter: Matter, kind: str) -> None:
        now = self._clock.now_ms()
        begun = State.RECOVERED if problem is None else State.STRESSED
        episode = before.episode + (begun is State.STRESSED)
        event = AlertEvent(
            event_id=event_id(before.device_id, before.rule, episode, begun),
            device_id=before.device_id,
            kind=kind,
            rule=before.rule,
            episode=episode,
            state=begun,
            previous_state=State(before.level),
            at=now,
            causes=[] if problem is None else [problem],
            severity=Severity.INFO if problem is None else _SEVERITY.get(matter, Severity.CRITICAL),
        )
        state = AlertState(
            device_id=before.device_id,
            rule=before.rule,
            level=Status.OK if problem is None else Status.STRESSED,
            episode=episode,
            since=now,
        )
        self._store.save(Scored(rows=NO_ROWS, states=[state], events=[event], stored_at=now))
