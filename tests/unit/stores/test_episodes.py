"""An episode is what its events tell, whatever their order."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import AlertEvent, Severity, State
from fleetpulse.stores.episodes import alert_id_of, alert_of
from tests.contracts.builders import NOON, an_episode, an_event


@st.composite
def events_of_an_episode(draw: st.DrawFn) -> list[AlertEvent]:
    states = draw(st.lists(st.sampled_from(State), min_size=1, unique=True))
    number = st.none() | st.floats(-100, 100)
    return [
        an_event(
            state,
            at=NOON + draw(st.integers(0, 3)),
            probability=draw(number),
            value=draw(number),
            limit=draw(number),
            severity=draw(st.sampled_from(Severity)),
        )
        for state in states
    ]


@given(events=events_of_an_episode(), chance=st.randoms())
def test_the_order_of_arrival_does_not_matter(events: list[AlertEvent], chance: Random) -> None:
    shuffled = events[:]
    chance.shuffle(shuffled)

    assert alert_of(shuffled) == alert_of(events)


def test_an_alert_closes_also_when_the_clock_of_its_device_was_set_back_meanwhile() -> None:
    _, stressed, _ = an_episode()
    recovered = an_event(State.RECOVERED, at=stressed.at - 3_600_000)

    alert = alert_of([recovered, stressed])

    assert alert.state is State.RECOVERED
    assert (alert.opened_at, alert.closed_at) == (stressed.at, stressed.at)


def test_an_alert_is_named_after_device_rule_and_episode() -> None:
    assert alert_id_of(an_event(device_id="pi.1", episode=7)) == "pi.1:heat:7"


def test_the_severity_of_an_alert_is_the_worst_so_far() -> None:
    soon, stressed, recovered = an_episode()

    assert alert_of([soon]).severity is Severity.WARNING
    assert alert_of([soon, stressed]).severity is Severity.CRITICAL
    assert alert_of([soon, stressed, recovered]).severity is Severity.CRITICAL


def test_a_value_that_is_not_known_any_more_leaves_the_newest_known() -> None:
    soon, stressed, _ = an_episode()
    blind = an_event(State.RECOVERED, at=stressed.at + 1)

    alert = alert_of([soon, stressed, blind])

    assert (alert.value, alert.limit) == (80.5, 80.0)


def test_zero_is_a_known_value() -> None:
    cold = an_event(State.STRESSED, at=NOON + 1, value=0.0, limit=0.0)

    alert = alert_of([an_event(value=5.0, limit=6.0), cold])

    assert (alert.value, alert.limit) == (0.0, 0.0)
