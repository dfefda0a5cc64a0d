"""Alerts about fleetpulse itself."""

from __future__ import annotations

from fleetpulse.alerts import Severity, State
from fleetpulse.clock import ManualClock
from fleetpulse.notices import OURSELVES, Matter, Notices
from fleetpulse.stores.memory import MemoryStore


def states(store: MemoryStore) -> list[State]:
    return [stored.event.state for stored in store.alerts.stored_since(0)]


def test_what_is_wrong_is_one_alert_until_it_is_well_again() -> None:
    store, clock = MemoryStore(), ManualClock()
    notices = Notices(store, clock)

    for problem in ("The bucket is away.", "The bucket denies.", None, None):
        notices.report(Matter.MODEL, problem)
        clock.advance(1)

    (alert,) = store.alerts.page()
    assert (alert.device_id, alert.kind, alert.rule) == (OURSELVES, OURSELVES, "model")
    assert alert.causes == ["The bucket is away."]
    assert alert.severity is Severity.CRITICAL
    assert alert.closed_at is not None
    assert states(store) == [State.STRESSED, State.RECOVERED]


def test_a_new_episode_begins_when_it_goes_wrong_again() -> None:
    store = MemoryStore()
    notices = Notices(store, ManualClock())

    for problem in ("once", None, "twice"):
        notices.report(Matter.MODEL, problem)

    assert [alert.episode for alert in store.alerts.page(open_only=True)] == [2]


def test_nothing_is_said_where_nothing_was_wrong() -> None:
    store = MemoryStore()

    Notices(store, ManualClock()).report(Matter.MODEL, None)

    assert states(store) == []


def test_a_process_that_starts_closes_what_an_earlier_one_left_open() -> None:
    store, clock = MemoryStore(), ManualClock()
    Notices(store, clock).report(Matter.MODEL, "The bucket is away.")

    Notices(store, clock).report(Matter.MODEL, None)

    assert states(store) == [State.STRESSED, State.RECOVERED]


def test_who_still_sees_it_wrong_opens_it_again_after_a_minute() -> None:
    store, clock = MemoryStore(), ManualClock()
    failing, healthy = Notices(store, clock), Notices(store, clock)
    failing.report(Matter.MODEL, "The bucket is away.")
    healthy.report(Matter.MODEL, None)

    for _ in range(10):
        clock.advance(30)
        failing.report(Matter.MODEL, "The bucket is away.")
        healthy.report(Matter.MODEL, None)

    assert states(store) == [State.STRESSED, State.RECOVERED, State.STRESSED]
