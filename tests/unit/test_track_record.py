"""What warnings turned out to be, and how often a model was right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import State
from fleetpulse.stores.episodes import alert_of
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Alert, Opinion, Verdict
from fleetpulse.track_record import (
    DAY_MS,
    HORIZON_MS,
    ModelName,
    Outcome,
    models_of,
    outcome_of,
    past,
    record_of,
)
from tests.contracts.builders import NOON, SECOND, a_verdict, an_event, told

LATER = NOON + HORIZON_MS + SECOND


def an_alert(
    *steps: tuple[State, int],
    rule: str = "heat",
    episode: int = 1,
    model_version: str | None = "heat-1",
    begins: int = NOON,
) -> Alert:
    """An episode that begins at noon; steps: its states, each with its seconds from there."""
    return alert_of(
        an_event(
            state,
            rule=rule,
            episode=episode,
            at=begins + seconds * SECOND,
            model_version=model_version,
        )
        for state, seconds in steps
    )


SOON, STRESSED, OK, RECOVERED = State.SOON, State.STRESSED, State.OK, State.RECOVERED
TRUE = an_alert((SOON, 0), (STRESSED, 60), (RECOVERED, 200))
FALSE = an_alert((SOON, 0), (OK, 90), episode=2)
MISSED = an_alert((STRESSED, 0), episode=3)


@pytest.mark.parametrize(
    ("alert", "outcome"),
    [
        (TRUE, Outcome.TRUE),
        (FALSE, Outcome.FALSE),
        (MISSED, Outcome.MISSED),
        (an_alert((SOON, 0), (STRESSED, 120)), Outcome.TRUE),
        (an_alert((SOON, 0), (STRESSED, 121)), Outcome.FALSE),
        (an_alert((SOON, 0)), None),
        (an_alert((STRESSED, 0), model_version=None), None),
        (an_alert((SOON, 0), (STRESSED, 60), rule="disk"), None),
    ],
    ids=[
        "stressed in time",
        "never stressed",
        "stressed without a warning",
        "stressed just in time",
        "stressed too late",
        "too early to say",
        "no model could say",
        "no model watches for it",
    ],
)
def test_an_alert_turns_out_to_be(alert: Alert, outcome: Outcome | None) -> None:
    assert outcome_of(alert, NOON + 100 * SECOND) is outcome


def test_a_warning_that_stands_longer_than_the_horizon_was_false() -> None:
    warning = an_alert((SOON, 0))

    assert outcome_of(warning, NOON + HORIZON_MS) is None
    assert outcome_of(warning, NOON + HORIZON_MS + 1) is Outcome.FALSE


@given(
    st.lists(st.integers(min_value=0, max_value=400), max_size=2, unique=True).map(sorted),
    st.integers(min_value=0, max_value=1_000),
    st.integers(min_value=0, max_value=1_000),
)
def test_an_outcome_never_changes(steps: list[int], seen_s: int, later_s: int) -> None:
    """What is known of an episode grows with time, and so may its outcome, once, from None."""
    whole = [(SOON, 0), *zip((STRESSED, RECOVERED), steps, strict=False)]

    def outcome(at_s: int) -> Outcome | None:
        known = [step for step in whole if step[1] <= at_s]
        return outcome_of(an_alert(*known), NOON + at_s * SECOND)

    first = outcome(seen_s)
    assert first is None or outcome(seen_s + later_s) is first


def test_a_record_counts_what_warnings_were_worth() -> None:
    later_one = an_alert((SOON, 0), (STRESSED, 30), episode=5)
    waiting = an_alert((SOON, 0), episode=4, begins=LATER)

    record = record_of([TRUE, FALSE, MISSED, later_one, waiting], {}, LATER)

    assert (record.true, record.false, record.missed, record.waiting) == (2, 1, 1, 1)
    assert (record.precision, record.recall) == (2 / 3, 2 / 3)
    assert record.median_lead_s == 45.0


def test_a_record_of_nothing_divides_by_nothing() -> None:
    record = record_of([], {}, NOON)

    assert (record.precision, record.recall, record.median_lead_s) == (None, None, None)


def test_an_owner_s_verdict_counts_more_than_the_outcome() -> None:
    verdicts = {
        TRUE.alert_id: a_verdict(TRUE.alert_id, opinion=Opinion.FALSE_ALARM),
        FALSE.alert_id: a_verdict(FALSE.alert_id, opinion=Opinion.RIGHT),
    }

    record = record_of([TRUE, FALSE], verdicts, LATER)

    assert (record.true, record.false) == (1, 1)
    assert (record.confirmed, record.disputed) == (1, 1)
    assert record.median_lead_s is None  # what was rightly warned of was prevented


def verdict_on(alert: Alert) -> Verdict:
    """Its owner calls it a false alarm."""
    return a_verdict(alert.alert_id, opinion=Opinion.FALSE_ALARM)


def test_a_verdict_on_a_missed_stress_changes_nothing() -> None:
    record = record_of([MISSED], {MISSED.alert_id: verdict_on(MISSED)}, LATER)

    assert (record.missed, record.disputed) == (1, 0)


def test_the_past_is_told_by_span_and_by_model() -> None:
    store = MemoryStore()
    old, new = NOON - 10 * DAY_MS, NOON - DAY_MS
    store.save(told(an_event(SOON, episode=1, at=old, model_version="heat-1")))
    store.save(told(an_event(SOON, episode=2, at=new, model_version="heat-2")))
    store.save(told(an_event(STRESSED, episode=2, at=new + SECOND, model_version="heat-2")))
    store.save(told(an_event(SOON, device_id="pc-1", at=new, model_version="heat-2")))
    store.alerts.judge(a_verdict("pc-1:heat:1", opinion=Opinion.RIGHT))

    seen = past(store, NOON)

    assert models_of(seen.alerts) == [ModelName("heat", "heat-1"), ModelName("heat", "heat-2")]
    assert [(days, each.true, each.false) for days, each in seen.records().items()] == [
        (7, 2, 0),
        (30, 2, 1),
    ]
    assert seen.records(ModelName("heat", "heat-1"))[30].false == 1
    assert seen.records(ModelName("overload", "heat-2"))[30].true == 0
    assert past(store, NOON, "pc-1").records()[7].confirmed == 1
