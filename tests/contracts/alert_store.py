"""What every store promises of states, episodes and events."""

from __future__ import annotations

import itertools

import pytest

from fleetpulse.alerts import AlertEvent, Position, Severity, State, Status
from fleetpulse.stores.episodes import alert_id_of, alert_of
from fleetpulse.stores.protocols import Alert, Opinion, Store
from tests.contracts.builders import (
    NOON,
    SECOND,
    a_state,
    a_verdict,
    an_episode,
    an_event,
    scored,
    told,
)


class AlertStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    # States

    def test_a_state_comes_back_as_it_went_in(self, store: Store) -> None:
        state = a_state(
            level=Status.SOON,
            episode=3,
            since=NOON,
            judged=Position("cluster-1/telemetry.pi/2", 2**40),
        )

        store.save(scored(states=[state]))

        assert store.alerts.states_of(["pi-1"]) == [state]

    def test_a_state_is_replaced(self, store: Store) -> None:
        store.save(scored(states=[a_state(episode=1, judged=Position("log", 7))]))

        store.save(scored(states=[a_state(episode=2)]))

        assert store.alerts.states_of(["pi-1"]) == [a_state(episode=2)]

    def test_a_state_judged_later_in_the_same_log_stays(self, store: Store) -> None:
        """A consumer that has lost its partitions may save late."""
        later = a_state(episode=2, judged=Position("log", 8))
        store.save(scored(states=[later, a_state("pc-1", judged=Position("log", 8))]))

        late = [a_state(episode=1, judged=Position("log", 7)), a_state("pc-1", episode=3)]
        store.save(scored(states=late))

        assert store.alerts.states_of(["pi-1"]) == [later]
        assert store.alerts.states_of(["pc-1"]) == [a_state("pc-1", episode=3)]

    @pytest.mark.parametrize(
        "judged",
        [None, Position("log", 7), Position("log", 8), Position("another log", 0)],
        ids=str,
    )
    def test_a_state_judged_there_or_later_or_in_another_log_replaces(
        self, store: Store, judged: Position | None
    ) -> None:
        store.save(scored(states=[a_state(episode=1, judged=Position("log", 7))]))

        store.save(scored(states=[a_state(episode=2, judged=judged)]))

        assert store.alerts.states_of(["pi-1"]) == [a_state(episode=2, judged=judged)]

    def test_a_state_that_nothing_judged_is_replaced(self, store: Store) -> None:
        store.save(scored(states=[a_state(episode=1)]))

        store.save(scored(states=[a_state(episode=2)]))
        store.save(scored(states=[a_state(episode=3, judged=Position("log", 0))]))

        judged = a_state(episode=3, judged=Position("log", 0))
        assert store.alerts.states_of(["pi-1"]) == [judged]

    def test_the_other_parts_of_a_late_save_are_kept(self, store: Store) -> None:
        store.save(scored(states=[a_state(judged=Position("log", 8))]))

        store.save(
            scored(
                states=[a_state(judged=Position("log", 7)), a_state("pc-1")], events=[an_event()]
            )
        )

        assert len(store.alerts.states_of(["pi-1", "pc-1"])) == 2
        assert store.alerts.events_page() == [an_event()]

    def test_offset_zero_is_a_position(self, store: Store) -> None:
        store.save(scored(states=[a_state(judged=Position("log", 0))]))

        assert store.alerts.states_of(["pi-1"]) == [a_state(judged=Position("log", 0))]

    def test_every_state_of_the_devices_asked_for(self, store: Store) -> None:
        mine = [a_state(), a_state(rule="overload"), a_state("pc-1")]
        store.save(scored(states=[*mine, a_state("pi-2")]))

        found = store.alerts.states_of(["pi-1", "pc-1", "nobody", "pi-1"])

        assert sorted(found, key=repr) == sorted(mine, key=repr)
        assert store.alerts.states_of([]) == []

    def test_states_of_ten_thousand_devices_are_one_question(self, store: Store) -> None:
        store.save(scored(states=[a_state()]))

        assert store.alerts.states_of([f"pi-{n}" for n in range(10_000)]) == [a_state()]

    # Events

    def test_an_event_comes_back_as_it_went_in(self, store: Store) -> None:
        event = an_event(
            device_id="pi.attic",
            probability=0.0,
            expected_s=0.0,
            value=0.0,
            limit=80.0,
            causes=["Lüfter steht", "load 'spikes' 🌀"],
            model_version="heat-1",
            severity=Severity.CRITICAL,
        )

        store.save(told(event))

        assert store.alerts.event(event.event_id) == event
        assert store.alerts.events_page() == [event]

    @pytest.mark.parametrize("state", list(State))
    def test_every_state_can_be_told(self, store: Store, state: State) -> None:
        store.save(told(an_event(state)))

        assert store.alerts.event(f"pi-1:heat:1:{state}") == an_event(state)
        assert [alert.state for alert in store.alerts.page()] == [state]

    def test_an_alert_that_somebody_has_seen_stays_where_it_stands(self, store: Store) -> None:
        soon, stressed, _ = an_episode()
        seen = an_event(
            State.ACKNOWLEDGED, at=stressed.at + 1, severity=Severity.INFO, said_by="telegram:42"
        )
        store.save(told(soon))
        store.save(told(seen))
        store.save(told(stressed))

        (alert,) = store.alerts.page(open_only=True)

        assert (alert.state, alert.changed_at) == (State.STRESSED, stressed.at)
        assert (alert.acknowledged_at, alert.acknowledged_by) == (seen.at, "telegram:42")
        assert store.alerts.event(seen.event_id) == seen

    def test_an_unknown_event_is_none(self, store: Store) -> None:
        assert store.alerts.event("pi-1:heat:1:soon") is None

    def test_an_event_that_exists_is_left_as_it_is(self, store: Store) -> None:
        store.save(told(an_event(probability=0.9, causes=["heat"])))

        store.save(told(an_event(probability=0.1, at=NOON + SECOND), stored_at=NOON + SECOND))

        kept = an_event(probability=0.9, causes=["heat"])
        assert store.alerts.events_page() == [kept]
        assert [stored.stored_at for stored in store.alerts.stored_since(0)] == [NOON]
        assert [alert.probability for alert in store.alerts.page()] == [0.9]

    def test_events_come_newest_first_by_event_time(self, store: Store) -> None:
        newest, oldest = an_event(at=NOON + SECOND), an_event(device_id="pc-1")
        store.save(told(newest))
        store.save(told(oldest))

        assert store.alerts.events_page() == [newest, oldest]

    def test_events_of_one_device_since_and_until(self, store: Store) -> None:
        soon, stressed, recovered = an_episode()
        store.save(told(soon, stressed, recovered, an_event(device_id="pi-10")))

        page = store.alerts.events_page
        assert page(device_id="pi-1") == [recovered, stressed, soon]
        assert page(device_id="pi-1", since=stressed.at) == [recovered, stressed]
        assert page(device_id="pi-1", until=stressed.at) == [soon]
        assert page(device_id="nobody") == []

    def test_pages_of_events_give_every_event_once(self, store: Store) -> None:
        # six events of each moment, so that a page ends between them
        events = [
            an_event(device_id=f"pi-{number}", episode=episode, at=NOON + episode)
            for episode in range(2)
            for number in range(6)
        ]
        store.save(told(*events))

        paged: list[AlertEvent] = []
        before: tuple[int, str] | None = None
        while page := store.alerts.events_page(before=before, limit=4):
            assert len(page) <= 4
            assert len(paged) < 100  # pages that go round and round never end
            paged.extend(page)
            before = (page[-1].at, page[-1].event_id)

        assert paged == sorted(events, key=lambda e: (e.at, e.event_id), reverse=True)

    # The outbox

    def test_the_outbox_gives_events_from_a_moment_on_oldest_first(self, store: Store) -> None:
        soon, stressed, recovered = an_episode()
        store.save(told(recovered, stored_at=100))
        store.save(told(soon, stored_at=200))
        store.save(told(stressed, stored_at=300))

        found = store.alerts.stored_since(200)

        assert [(stored.event, stored.stored_at) for stored in found] == [
            (soon, 200),
            (stressed, 300),
        ]
        assert store.alerts.stored_since(301) == []

    def test_the_outbox_never_parts_events_of_one_moment(self, store: Store) -> None:
        crowd = [an_event(State.OFFLINE, device_id=f"pi-{number}") for number in range(5)]
        store.save(told(*crowd, stored_at=100))
        store.save(told(an_event(), stored_at=200))

        found = store.alerts.stored_since(0, limit=3)

        assert sorted(stored.event.device_id for stored in found) == [
            event.device_id for event in crowd
        ]
        assert len(store.alerts.stored_since(0, limit=5)) == 5
        assert len(store.alerts.stored_since(0, limit=6)) == 6

    def test_what_is_stored_later_is_never_behind_a_reader(self, store: Store) -> None:
        """A second consumer with a slower clock, or one whose clock was set back."""
        store.save(told(an_event(), stored_at=200))
        seen = store.alerts.stored_since(0)[-1].stored_at

        store.save(told(an_event(device_id="pc-1"), stored_at=100))

        found = store.alerts.stored_since(seen)
        assert [stored.event.device_id for stored in found] == ["pi-1", "pc-1"]

    # Episodes

    def test_an_episode_is_one_alert_that_its_events_move_on(self, store: Store) -> None:
        soon, stressed, recovered = an_episode()
        opened = Alert(
            alert_id="pi-1:heat:1",
            device_id="pi-1",
            kind="raspberry",
            rule="heat",
            episode=1,
            state=State.SOON,
            severity=Severity.WARNING,
            opened_at=NOON,
            changed_at=NOON,
            probability=0.87,
            expected_s=60.0,
            value=74.0,
            limit=80.0,
            causes=["temperature rises by 6 °C a minute"],
            model_version="heat-1",
        )

        store.save(told(soon))
        after_soon = store.alerts.page()
        store.save(told(stressed))
        store.save(told(recovered))

        assert after_soon == [opened]
        (alert,) = store.alerts.page()
        assert alert.state is State.RECOVERED
        assert alert.severity is Severity.CRITICAL
        assert (alert.opened_at, alert.changed_at) == (soon.at, recovered.at)
        assert (alert.closed_at, alert.stressed_at) == (recovered.at, stressed.at)
        assert (alert.probability, alert.expected_s) == (0.87, 60.0)
        assert (alert.value, alert.limit) == (71.0, 80.0)
        assert (alert.causes, alert.model_version) == (soon.causes, "heat-1")

    def test_an_episode_is_the_same_whatever_the_order_of_arrival(self, store: Store) -> None:
        for number, order in enumerate(itertools.permutations(range(3))):
            events = an_episode(f"pi-{number}")
            for place in order:
                store.save(told(events[place]))

        alerts = store.alerts.page()

        assert len(alerts) == 6
        assert {(a.state, a.opened_at, a.changed_at, a.probability) for a in alerts} == {
            (State.RECOVERED, NOON, NOON + 240 * SECOND, 0.87)
        }

    def test_an_old_event_saved_again_moves_no_alert_back(self, store: Store) -> None:
        soon, stressed, recovered = an_episode()
        store.save(told(soon))
        store.save(told(stressed, recovered))
        closed = store.alerts.page()

        store.save(told(soon))
        store.save(told(soon, stressed))

        assert store.alerts.page() == closed

    def test_a_danger_that_did_not_come_closes_the_alert(self, store: Store) -> None:
        passed = an_event(State.OK, at=NOON + SECOND, previous_state=State.SOON)

        store.save(told(an_event(), passed))

        (alert,) = store.alerts.page()
        assert (alert.state, alert.closed_at) == (State.OK, NOON + SECOND)
        assert alert.stressed_at is None

    def test_a_device_back_online_closes_its_alert(self, store: Store) -> None:
        gone = an_event(State.OFFLINE, rule="offline")

        store.save(told(gone))
        open_before = store.alerts.page(open_only=True)
        store.save(told(an_event(State.ONLINE, rule="offline", at=NOON + SECOND)))

        assert [alert.state for alert in open_before] == [State.OFFLINE]
        assert store.alerts.page(open_only=True) == []

    def test_events_of_one_moment_are_told_in_the_order_of_an_episode(self, store: Store) -> None:
        soon, stressed = an_event(), an_event(State.STRESSED)

        store.save(told(stressed, soon))

        (alert,) = store.alerts.page()
        assert alert.state is State.STRESSED

    def test_a_new_episode_is_another_alert(self, store: Store) -> None:
        store.save(told(*an_episode(), *an_episode(episode=2, at=NOON + 3600 * SECOND)))

        assert [alert.alert_id for alert in store.alerts.page()] == ["pi-1:heat:2", "pi-1:heat:1"]

    def test_alerts_of_one_device_open_since_and_until(self, store: Store) -> None:
        store.save(told(*an_episode(), an_event(episode=2, at=NOON + 3600 * SECOND)))
        store.save(told(an_event(device_id="pi-10", at=NOON + SECOND)))

        def found(**wanted: object) -> list[str]:
            return [alert.alert_id for alert in store.alerts.page(**wanted)]  # type: ignore[arg-type]

        assert found() == ["pi-1:heat:2", "pi-10:heat:1", "pi-1:heat:1"]
        assert found(device_id="pi-1") == ["pi-1:heat:2", "pi-1:heat:1"]
        assert found(open_only=True) == ["pi-1:heat:2", "pi-10:heat:1"]
        assert found(device_id="pi-1", open_only=True) == ["pi-1:heat:2"]
        assert found(since=NOON + SECOND) == ["pi-1:heat:2", "pi-10:heat:1"]
        assert found(until=NOON + SECOND) == ["pi-1:heat:1"]
        assert found(device_id="nobody") == []

    def test_pages_of_alerts_give_every_alert_once(self, store: Store) -> None:
        store.save(told(*(an_event(device_id=f"pi-{number}") for number in range(7))))

        paged: list[str] = []
        before: tuple[int, str] | None = None
        while page := store.alerts.page(before=before, limit=3):
            assert len(page) <= 3
            assert len(paged) < 100  # pages that go round and round never end
            paged.extend(alert.alert_id for alert in page)
            before = (page[-1].opened_at, page[-1].alert_id)

        assert paged == [f"pi-{number}:heat:1" for number in reversed(range(7))]

    def test_one_alert_by_its_id(self, store: Store) -> None:
        first, second = an_event(episode=1), an_event(episode=2)
        store.save(scored(events=[first, second]))

        found = store.alerts.get(alert_id_of(second))

        assert found == alert_of([second])
        assert store.alerts.get("pi-1:heat:3") is None

    def test_a_verdict_comes_back_as_it_went_in(self, store: Store) -> None:
        verdict = a_verdict()

        store.alerts.judge(verdict)

        assert store.alerts.verdicts_of([verdict.alert_id]) == {verdict.alert_id: verdict}

    def test_the_newest_verdict_of_an_alert_is_kept(self, store: Store) -> None:
        store.alerts.judge(a_verdict(opinion=Opinion.RIGHT))
        second = a_verdict(opinion=Opinion.FALSE_ALARM, said_by="telegram:7", said_at=NOON + 1)

        store.alerts.judge(second)

        assert store.alerts.verdicts_of([second.alert_id]) == {second.alert_id: second}

    def test_verdicts_of_a_thousand_alerts_are_one_question(self, store: Store) -> None:
        judged = [a_verdict(alert_id=f"pi-{number}:heat:1") for number in (3, 700)]
        for verdict in judged:
            store.alerts.judge(verdict)

        found = store.alerts.verdicts_of([f"pi-{number}:heat:1" for number in range(1_000)] * 2)

        assert found == {verdict.alert_id: verdict for verdict in judged}
        assert store.alerts.verdicts_of([]) == {}

    def test_a_verdict_changes_no_alert(self, store: Store) -> None:
        event = an_event()
        store.save(scored(events=[event]))
        before = store.alerts.page()

        store.alerts.judge(a_verdict(alert_id=alert_id_of(event)))
        store.save(scored(events=[event]))

        assert store.alerts.page() == before

    def test_thousands_of_events_at_once(self, store: Store) -> None:
        gone = [an_event(State.OFFLINE, device_id=f"pi-{number:04}") for number in range(3_000)]

        store.save(told(*gone))

        assert len(store.alerts.stored_since(0, limit=1_000)) == 3_000
        assert len(store.alerts.page(open_only=True, limit=5_000)) == 3_000
