"""From readings to alerts: what begins when, and what each reading's status is."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.pipeline import Stage
from consumer.roster import Roster
from consumer.stages.late import Order
from consumer.stages.limits import Limits
from consumer.stages.predict import predict
from consumer.stages.rules import REFRESH_MS, RuleBook
from fleetpulse import wire
from fleetpulse.alerts import AlertEvent, RuleChange, State, Status
from fleetpulse.clock import ManualClock
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import (
    NOON,
    FakePredictor,
    FakeScores,
    Log,
    a_reading,
    consume,
    decode,
)


def events_of(*readings: Reading, store: MemoryStore | None = None) -> list[AlertEvent]:
    """Every event that these readings make, oldest first."""
    store = MemoryStore() if store is None else store
    consume(Log([wire.encode(reading) for reading in readings]), store)
    return sorted(store.alerts.events_page(), key=lambda event: event.at)


def story(*readings: Reading) -> list[tuple[str, State, float]]:
    """Rule, state, and seconds after noon of every event."""
    return [(one.rule, one.state, (one.at - NOON) / 1000) for one in events_of(*readings)]


def statuses(*readings: Reading) -> list[Status]:
    """The stored status of every reading, in time order."""
    store = MemoryStore()
    consume(Log([wire.encode(reading) for reading in readings]), store)
    return [one.status for one in store.readings.page(readings[0].device_id)]


def hot(at_s: float, temperature_c: float, load_pct: float = 0.0) -> Reading:
    return a_reading(at_s, temperature_c=temperature_c, load_pct=load_pct)


def test_a_quiet_device_makes_no_event() -> None:
    assert story(*(hot(at, 50, 10) for at in range(0, 100, 5))) == []


def test_the_way_from_soon_to_stressed_to_recovered_is_one_episode() -> None:
    readings = [hot(0, 60), hot(5, 70, 60), hot(10, 80, 90), hot(15, 74), hot(20, 74), hot(25, 74)]

    events = events_of(*readings)

    assert [(one.state, one.previous_state) for one in events] == [
        (State.SOON, State.OK),
        (State.STRESSED, State.SOON),
        (State.RECOVERED, State.STRESSED),
    ]
    assert {one.episode for one in events} == {1}
    assert [one.event_id for one in events] == [
        "pi-1:heat:1:soon",
        "pi-1:heat:1:stressed",
        "pi-1:heat:1:recovered",
    ]
    assert events[0].causes == ["load 60%"]
    assert events[0].probability == pytest.approx(0.6)
    assert events[1].value == 80


def test_a_danger_that_does_not_come_ends_as_ok_after_a_minute() -> None:
    readings = [hot(0, 60, 60), *(hot(at, 60, 10) for at in range(5, 80, 5))]

    assert story(*readings) == [("heat", State.SOON, 0), ("heat", State.OK, 65)]


def test_a_value_that_hovers_around_the_limit_does_not_flap() -> None:
    readings = [hot(at, 80.5 if at % 10 else 78.0) for at in range(0, 200, 5)]

    assert story(*readings) == [("heat", State.STRESSED, 5)]


def test_a_rule_with_a_hold_time_waits_for_it() -> None:
    readings = [a_reading(at, memory_pct=97) for at in range(0, 70, 10)]

    assert story(*readings) == [("memory", State.STRESSED, 60)]


def test_a_dip_starts_the_hold_time_anew() -> None:
    values = [97, 97, 97, 90, 97, 97, 97, 97, 97]
    readings = [a_reading(20 * row, memory_pct=value) for row, value in enumerate(values)]

    assert story(*readings) == [("memory", State.STRESSED, 140)]


def test_undervoltage_is_below_its_limit_and_the_flag_counts_too() -> None:
    assert story(a_reading(0, voltage_v=5.0), a_reading(5, voltage_v=4.6)) == [
        ("undervoltage", State.STRESSED, 5)
    ]
    assert story(a_reading(0, undervoltage=0), a_reading(5, undervoltage=1)) == [
        ("undervoltage", State.STRESSED, 5)
    ]


def test_a_core_voltage_is_not_a_supply_that_is_too_low() -> None:
    assert story(a_reading(0, voltage_v=0.9)) == []


def test_a_clock_well_below_the_requested_one_under_load_is_throttling() -> None:
    def slow(at_s: float, device: str, load_pct: float) -> Reading:
        return a_reading(
            at_s, device=device, load_pct=load_pct, clock_ghz=1.0, requested_clock_ghz=1.8
        )

    busy = [slow(at, "a", 90) for at in range(0, 40, 10)]
    idle = [slow(at, "b", 3) for at in range(0, 40, 10)]

    assert [one for one in story(*busy, *idle) if one[0] == "throttled"] == [
        ("throttled", State.STRESSED, 30)
    ]


def test_a_late_reading_is_stored_but_judges_nothing() -> None:
    readings = [a_reading(10, seq=2, temperature_c=50), a_reading(5, seq=1, temperature_c=90)]
    store = MemoryStore()

    events = events_of(*readings, store=store)

    assert events == []
    assert store.readings.count() == 2


def test_devices_do_not_disturb_each_other() -> None:
    readings = [
        reading
        for at in range(0, 30, 5)
        for reading in (
            a_reading(at, device="hot", temperature_c=85),
            a_reading(at, device="cool", temperature_c=40),
        )
    ]

    assert {event.device_id for event in events_of(*readings)} == {"hot"}


def test_status_is_stressed_until_recovered_and_soon_while_the_model_warns() -> None:
    readings = [hot(0, 60, 10), hot(5, 60, 60), hot(10, 80, 60), hot(15, 78, 10)]

    assert statuses(*readings) == [Status.OK, Status.SOON, Status.STRESSED, Status.STRESSED]


def test_an_alert_that_rests_is_not_told_again_and_the_readings_say_how_it_is() -> None:
    over = [hot(0, 85), hot(5, 60), hot(10, 60), hot(15, 60)]
    again = [hot(20, 85), hot(24, 60, 60), hot(25, 85)]

    assert story(*over, *again) == [
        ("heat", State.STRESSED, 0),
        ("heat", State.RECOVERED, 15),
        ("heat", State.STRESSED, 25),
    ]
    assert statuses(*over, *again)[-3:] == [Status.STRESSED, Status.SOON, Status.STRESSED]


def test_without_a_prediction_the_status_is_unknown_and_never_ok() -> None:
    assert statuses(a_reading(0, memory_pct=50)) == [Status.UNKNOWN]


def test_a_temperature_that_stops_coming_is_unknown() -> None:
    readings = [hot(0, 50), a_reading(5, memory_pct=50), hot(10, 50)]

    assert statuses(*readings) == [Status.OK, Status.UNKNOWN, Status.OK]


def test_a_changed_limit_is_in_force_within_seconds() -> None:
    store, clock, roster = MemoryStore(), ManualClock(NOON), Roster()
    predictor = FakePredictor()
    rules = RuleBook(store.rules, roster, clock, lambda: predictor.thresholds)
    limits = Limits(store.alerts, rules, predictor)
    stages: list[Stage] = [Order(clock), predict(predictor, rules), limits]

    def events(reading: Reading) -> int:
        batch = decode(reading, roster=roster)
        limits.load(batch)
        for stage in stages:
            batch = stage(batch)
        return len(batch.events)

    assert events(hot(0, 60)) == 0
    store.rules.put(RuleChange(device_id="pi-1", rule="heat", limit=55, changed_at=NOON))
    clock.advance(REFRESH_MS / 1000)
    assert events(hot(5, 60)) == 1


def test_the_models_that_score_say_what_soon_is() -> None:
    class Promoted(FakePredictor):
        """Takes other models over with its next batch, as a promotion does."""

        def score(self, *columns: Any) -> FakeScores:
            self.thresholds = {"heat": 0.1, "overload": 0.1}
            return super().score(*columns)

    roster, predictor, store = Roster(), Promoted(), MemoryStore()
    rules = RuleBook(store.rules, roster, ManualClock(NOON), lambda: predictor.thresholds)
    limits = Limits(store.alerts, rules, predictor)
    batch = decode(a_reading(0, temperature_c=60, load_pct=20), roster=roster)
    limits.load(batch)

    batch = limits(predict(predictor, rules)(Order(ManualClock(NOON))(batch)))

    assert [event.state for event in batch.events] == [State.SOON]
    assert batch.events[0].model_version == "heat-of-fake-1"


def test_a_rule_that_is_switched_off_ends_its_alert_and_stays_quiet() -> None:
    store = MemoryStore()
    events_of(hot(0, 85), store=store)
    store.rules.put(RuleChange(device_id="pi-1", rule="heat", enabled=False, changed_at=NOON))

    log = [wire.encode(hot(at, 85)) for at in (0, 5, 10)]
    consume(Log(log), store)

    states = [event.state for event in store.alerts.events_page()]
    assert sorted(states) == [State.RECOVERED, State.STRESSED]


def test_without_a_value_nothing_recovers_and_nothing_is_stressed() -> None:
    lost = [hot(0, 85), hot(5, 70), *(a_reading(at, load_pct=1) for at in (10, 15, 20))]
    unheld = [a_reading(0, device="b", memory_pct=97), a_reading(90, device="b", load_pct=1)]

    assert story(*lost) == [("heat", State.STRESSED, 0)]
    assert story(*unheld) == []


def test_a_silence_is_no_hold_time() -> None:
    readings = [a_reading(0, memory_pct=97), a_reading(3600, memory_pct=97)]

    assert story(*readings) == []


def test_a_clock_that_was_set_back_starts_the_hold_time_anew() -> None:
    before = [a_reading(at, seq=at, memory_pct=97) for at in (7000, 7010)]
    after = [a_reading(at, seq=8000 + at, memory_pct=97) for at in range(0, 70, 10)]

    assert story(*before, *after) == [("memory", State.STRESSED, 60)]


def test_of_a_hot_machine_that_lost_its_sensor_nothing_is_known_and_the_alert_stays() -> None:
    store = MemoryStore()
    readings = [hot(0, 85, 10), hot(5, 85, 10), a_reading(10, load_pct=10), hot(15, 85, 10)]

    consume(Log([wire.encode(reading) for reading in readings]), store, batch_rows=4)

    *_, lost, back = sorted(store.readings.page("pi-1"), key=lambda row: row.measured_at)
    assert (lost.status, back.status) == (Status.UNKNOWN, Status.STRESSED)
    assert [stored.event.state for stored in store.alerts.stored_since(0)] == [State.STRESSED]


def test_whether_a_sensor_is_missing_does_not_depend_on_how_rows_are_cut() -> None:
    readings = [a_reading(0, load_pct=10), hot(5, 50, 10)]
    at_once, one_by_one = MemoryStore(), MemoryStore()

    log = [wire.encode(reading) for reading in readings]
    consume(Log(log), at_once, batch_rows=2)
    consume(Log(log), one_by_one, batch_rows=1)

    assert at_once.readings.page("pi-1") == one_by_one.readings.page("pi-1")
    assert at_once.readings.page("pi-1")[0].status is Status.OK
