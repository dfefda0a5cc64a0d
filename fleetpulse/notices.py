"""Alerts about fleetpulse itself: a silent process, a model that cannot be renewed, poison.

They are alerts like any other, of a device that is named `fleetpulse`, so that the outbox, the bot,
the API and the dashboard carry them without knowing more.
"""

from __future__ import annotations

from enum import StrEnum

from fleetpulse.alerts import AlertEvent, AlertState, Severity, State, Status, event_id
from fleetpulse.clock import Clock
from fleetpulse.stores.protocols import NO_ROWS, Scored, Store

OURSELVES = "fleetpulse"  # the device and the kind of these alerts
# Another process to which all looks well may have closed it when it started.
_SAY_AGAIN_MS = 60_000


class Matter(StrEnum):
    """What can be wrong with fleetpulse itself; the rule of the alert."""

    CONSUMER_SILENT = "consumer-silent"
    BOT_SILENT = "bot-silent"
    DEAD_LETTERS = "dead-letters"
    MODEL = "model"


class Notices:
    """Opens and closes these alerts. Safe to repeat: what is open stays one alert."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._said: dict[Matter, tuple[bool, int]] = {}  # whether it is wrong, and since when

    def report(self, matter: Matter, problem: str | None) -> None:
        """Open the alert, or close it: with None, all is well again.

        problem: one sentence for the owner. Raises StoreBusy or StoreError; then ask again later.
        """
        wrong, now = problem is not None, self._clock.now_ms()
        said, at = self._said.get(matter, (None, now))
        if said is wrong and not (wrong and abs(now - at) >= _SAY_AGAIN_MS):
            return
        state = self._state(matter)
        if (state.level is Status.STRESSED) is not wrong:
            self._change(state, problem)
        self._said[matter] = (wrong, now)

    def _state(self, matter: Matter) -> AlertState:
        for state in self._store.alerts.states_of([OURSELVES]):
            if state.rule == matter:
                return state
        return AlertState(device_id=OURSELVES, rule=matter)

    def _change(self, before: AlertState, problem: str | None) -> None:
        now = self._clock.now_ms()
        begun = State.RECOVERED if problem is None else State.STRESSED
        episode = before.episode + (begun is State.STRESSED)
        event = AlertEvent(
            event_id=event_id(OURSELVES, before.rule, episode, begun),
            device_id=OURSELVES,
            kind=OURSELVES,
            rule=before.rule,
            episode=episode,
            state=begun,
            previous_state=State(before.level),
            at=now,
            causes=[] if problem is None else [problem],
            severity=Severity.INFO if problem is None else Severity.CRITICAL,
        )
        state = AlertState(
            device_id=OURSELVES,
            rule=before.rule,
            level=Status.OK if problem is None else Status.STRESSED,
            episode=episode,
            since=now,
        )
        self._store.save(Scored(rows=NO_ROWS, states=[state], events=[event], stored_at=now))
