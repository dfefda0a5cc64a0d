"""Drift is one notice, which names what has drifted, and ends when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.drift_watch import DriftWatch
from fleetpulse.alerts import Severity, State
from fleetpulse.clock import ManualClock
from fleetpulse.notices import OURSELVES, Notices
from fleetpulse.stores.memory import MemoryStore
from model.domain import DRIFTED, Drift, stability_index
from model.features import FEATURES

TEMPERATURE = [feature.name for feature in FEATURES["heat"]].index("temperature_c")


def drift(outside_share: float, feature: int = TEMPERATURE) -> Drift:
    return Drift(feature=feature, outside_share=outside_share, index=stability_index(outside_share))


@dataclass
class Counted:
    """What a predictor counted, look by look."""

    looks: list[Mapping[str, Sequence[Drift]]] = field(default_factory=list)

    def drifts(self) -> Mapping[str, Sequence[Drift]]:
        return self.looks.pop(0)


def after(*looks: Mapping[str, Sequence[Drift]]) -> MemoryStore:
    store, clock = MemoryStore(), ManualClock()
    watch = DriftWatch(Counted(list(looks)), Notices(store, clock), clock)
    for _ in looks:
        watch.look()
        clock.advance(3600)
    return store


def states(store: MemoryStore) -> list[State]:
    return [stored.event.state for stored in store.alerts.stored_since(0)]


def test_a_fleet_that_has_drifted_is_alarmed_of_once_and_told_which_feature() -> None:
    far = {"heat": [drift(0.4)]}

    (alert,) = after(far, far, {}, far).alerts.page()

    assert (alert.device_id, alert.rule) == (OURSELVES, "drift")
    assert alert.severity is Severity.WARNING
    assert "temperature is outside for 40%" in alert.causes[0]
    assert "fleetpulse train --store" in alert.causes[0]


def test_it_ends_when_the_fleet_is_back_or_the_model_is_new() -> None:
    store = after({"heat": [drift(0.4)]}, {"heat": [drift(0.01)]})

    assert states(store) == [State.STRESSED, State.RECOVERED]


def test_a_consumer_whose_own_devices_are_well_does_not_end_what_another_says() -> None:
    store, clock = MemoryStore(), ManualClock()
    far, well = Counted([{"heat": [drift(0.4)]}] * 2), Counted([{"heat": [drift(0.01)]}] * 3)
    other, mine = (DriftWatch(each, Notices(store, clock), clock) for each in (far, well))

    other.look()
    mine.look()
    assert states(store) == [State.STRESSED]

    clock.advance(86_400)  # long after: whoever said it may be no more
    mine.look()
    assert states(store) == [State.STRESSED, State.RECOVERED]


def test_between_drifted_and_steady_nothing_changes() -> None:
    between = next(share / 1000 for share in range(1000) if stability_index(share / 1000) > 0.15)
    assert stability_index(between) < DRIFTED

    assert states(after({"heat": [drift(between)]})) == []
    assert states(after({"heat": [drift(0.4)]}, {"heat": [drift(between)]})) == [State.STRESSED]


def test_what_was_counted_of_one_rule_stays_until_it_is_counted_again() -> None:
    store = after({"heat": [drift(0.4)]}, {"overload": [drift(0.0, feature=0)]})

    assert states(store) == [State.STRESSED]


def test_too_few_rows_say_nothing() -> None:
    assert states(after({}, {})) == []
