"""The life of an alert: what begins when, and what can never happen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.alerts import (
    CALM_MS,
    CLEAR_HOLD_MS,
    MAX_HOLD_S,
    REST_MS,
    RULES,
    AlertState,
    Direction,
    Position,
    Rule,
    RuleChange,
    Severity,
    Sight,
    State,
    Status,
    Timers,
    after,
    checked_change,
    event_id,
    holds,
    is_clear,
    is_over,
    next_state,
    rule_named,
    rules_for,
    severity_of,
    tick,
)
from fleetpulse.errors import InvalidRule, UnknownRule
from fleetpulse.telemetry import KINDS

THRESHOLD = 0.6
START = AlertState(device_id="pi-1", rule="heat")
UNKNOWN = math.nan

temperatures = st.floats(min_value=40, max_value=110) | st.just(UNKNOWN)
probabilities = st.floats(min_value=0, max_value=1) | st.just(UNKNOWN)
gaps_ms = st.integers(min_value=1, max_value=30_000)


def a_rule(
    limit: float = 80.0,
    *,
    clear_by: float = 5.0,
    hold_s: float = 0.0,
    direction: Direction = Direction.ABOVE,
    enabled: bool = True,
) -> Rule:
    """A rule of temperature as `heat` is, with these values."""
    return Rule(
        name="heat",
        watches="temperature_c",
        unit="°C",
        label="temperature",
        direction=direction,
        limit=limit,
        lowest=0,
        highest=200,
        clear_by=clear_by,
        hold_s=hold_s,
        enabled=enabled,
    )


def sights(*values: float, every_s: float = 5.0, probability: float = 0.0) -> list[Sight]:
    """One sight per value, `every_s` apart."""
    return [
        Sight(at=round(n * every_s * 1000), value=value, probability=probability)
        for n, value in enumerate(values)
    ]


@st.composite
def walks(draw: st.DrawFn) -> list[Sight]:
    """Any readings of a device, in the order of their time."""
    at, found = 0, []
    for gap in draw(st.lists(gaps_ms, min_size=1, max_size=60)):
        at += gap
        found.append(Sight(at=at, value=draw(temperatures), probability=draw(probabilities)))
    return found


def lives(
    rule: Rule, seen: Sequence[Sight], state: AlertState = START
) -> Iterator[tuple[State, AlertState]]:
    """What begins, and the alert's state after it, as the consumer goes through readings."""
    timers = Timers()
    for offset, sight in enumerate(seen):
        timers = tick(timers, rule, sight, THRESHOLD)
        begun = next_state(state, timers, rule, sight, THRESHOLD)
        if begun is not None:
            state = after(state, begun, sight.at, Position("log", offset))
            yield begun, state


def story(rule: Rule, seen: Sequence[Sight]) -> list[State]:
    """What begins, in order."""
    return [begun for begun, _ in lives(rule, seen)]


rules_of_heat = st.builds(
    a_rule,
    limit=st.floats(min_value=60, max_value=100),
    clear_by=st.floats(min_value=0, max_value=10),
    hold_s=st.sampled_from((0.0, 10.0, 60.0)),
    direction=st.sampled_from(Direction),
)


@given(rule=rules_of_heat, seen=walks())
def test_between_two_stresses_there_is_always_a_recovery(rule: Rule, seen: list[Sight]) -> None:
    around = [state for state in story(rule, seen) if state in (State.STRESSED, State.RECOVERED)]

    assert around == [State.STRESSED, State.RECOVERED] * (len(around) // 2) + (
        [State.STRESSED] * (len(around) % 2)
    )


@given(rule=rules_of_heat, seen=walks())
def test_what_ends_is_what_had_begun(rule: Rule, seen: list[Sight]) -> None:
    allowed = {
        Status.OK: {State.SOON, State.STRESSED},
        Status.SOON: {State.OK, State.STRESSED},
        Status.STRESSED: {State.RECOVERED},
    }
    level = Status.OK

    for begun, state in lives(rule, seen):
        assert begun in allowed[level]
        level = state.level


@given(rule=rules_of_heat, seen=walks())
def test_episodes_grow_by_one_and_only_when_a_danger_begins(rule: Rule, seen: list[Sight]) -> None:
    before = START

    for _, state in lives(rule, seen):
        opened = before.level is Status.OK
        assert state.episode == before.episode + opened
        assert state.since > before.since
        before = state


@given(rule=rules_of_heat, seen=walks())
def test_no_two_events_have_the_same_id(rule: Rule, seen: list[Sight]) -> None:
    ids = [event_id("pi-1", rule.name, state.episode, begun) for begun, state in lives(rule, seen)]

    assert len(ids) == len(set(ids))


@given(rule=rules_of_heat, seen=walks(), cut=st.integers(min_value=0, max_value=60))
def test_timers_know_the_readings_alone_so_that_a_restart_rebuilds_them(
    rule: Rule, seen: list[Sight], cut: int
) -> None:
    whole = list(lives(rule, seen))
    judged = seen[:cut]
    stored = ([state for _, state in lives(rule, judged)] or [START])[-1]

    timers = Timers()
    for sight in judged:  # replayed: fills the timers, fires nothing
        timers = tick(timers, rule, sight, THRESHOLD)
    state, rest = stored, []
    for offset, sight in enumerate(seen[cut:], start=cut):
        timers = tick(timers, rule, sight, THRESHOLD)
        begun = next_state(state, timers, rule, sight, THRESHOLD)
        if begun is not None:
            state = after(state, begun, sight.at, Position("log", offset))
            rest.append((begun, state))

    assert list(lives(rule, judged)) + rest == whole


@given(noise=st.lists(st.floats(min_value=-4.9, max_value=4.9), min_size=2, max_size=100))
def test_noise_around_the_limit_makes_one_alert_and_no_flapping(noise: list[float]) -> None:
    rule = a_rule(80.0, clear_by=5.0)
    seen = sights(80.0, *(80.0 + each for each in noise))

    assert story(rule, seen) == [State.STRESSED]


@given(noise=st.lists(st.floats(min_value=-1, max_value=1), min_size=2, max_size=100))
def test_noise_around_the_close_level_makes_at_most_one_recovery(noise: list[float]) -> None:
    rule = a_rule(80.0, clear_by=5.0)
    seen = sights(81.0, *(75.0 + each for each in noise))

    assert story(rule, seen) in ([State.STRESSED], [State.STRESSED, State.RECOVERED])


def test_a_full_round_is_one_episode_soon_stressed_recovered() -> None:
    seen = [
        Sight(at=0, value=60.0, probability=0.1),
        Sight(at=5_000, value=70.0, probability=0.9),
        Sight(at=10_000, value=80.0, probability=0.9),
        Sight(at=15_000, value=70.0, probability=0.1),
        Sight(at=15_000 + CLEAR_HOLD_MS, value=70.0, probability=0.1),
    ]

    told = [(begun, state.episode, state.since) for begun, state in lives(a_rule(80.0), seen)]

    assert told == [
        (State.SOON, 1, 5_000),
        (State.STRESSED, 1, 10_000),
        (State.RECOVERED, 1, 25_000),
    ]


def test_a_danger_that_does_not_come_ends_in_ok_once_the_model_is_calm() -> None:
    warned = [Sight(at=0, value=60.0, probability=0.9)]
    calm = [
        Sight(at=at, value=60.0, probability=0.1) for at in range(5_000, CALM_MS + 6_000, 5_000)
    ]

    assert story(a_rule(80.0), warned + calm[:-1]) == [State.SOON]
    assert story(a_rule(80.0), warned + calm) == [State.SOON, State.OK]


def test_a_probability_that_wavers_does_not_end_a_warning() -> None:
    wavering = [0.9, *([0.29, 0.31] * 40)]  # around half of the threshold
    seen = [
        Sight(at=n * 5_000, value=60.0, probability=probability)
        for n, probability in enumerate(wavering)
    ]

    assert story(a_rule(80.0), seen) == [State.SOON]


def test_stress_that_nobody_saw_coming_is_told_all_the_same() -> None:
    assert story(a_rule(80.0), sights(60.0, 85.0)) == [State.STRESSED]


def test_a_hold_time_must_pass_without_a_break() -> None:
    rule = a_rule(80.0, hold_s=30.0)

    assert story(rule, sights(*[85.0] * 6)) == []  # 25 s
    assert story(rule, sights(*[85.0] * 7)) == [State.STRESSED]
    assert story(rule, sights(*[85.0] * 5, 79.0, *[85.0] * 6)) == []


def test_a_rule_below_its_limit_mirrors_one_above() -> None:
    low = a_rule(4.63, clear_by=0.1, direction=Direction.BELOW)

    assert story(low, sights(5.0, 4.6, 4.7, 4.7, 4.7)) == [State.STRESSED]
    assert story(low, sights(5.0, 4.6, 4.8, 4.8, 4.8)) == [State.STRESSED, State.RECOVERED]


def test_the_limit_itself_is_over_it() -> None:
    assert is_over(a_rule(80.0), 80.0)
    assert not is_over(a_rule(80.0), math.nextafter(80.0, 0))


@pytest.mark.parametrize("direction", Direction)
def test_an_unknown_value_is_neither_over_nor_clear(direction: Direction) -> None:
    rule = a_rule(direction=direction)

    assert not is_over(rule, UNKNOWN)
    assert not is_clear(rule, UNKNOWN)


@given(value=st.floats(), direction=st.sampled_from(Direction))
def test_no_value_is_over_and_clear_at_once(value: float, direction: Direction) -> None:
    rule = a_rule(direction=direction)

    assert not (is_over(rule, value) and is_clear(rule, value))


def test_what_is_unknown_leaves_the_timers_as_they_were() -> None:
    timers = Timers(last_at=9, over_since=1, clear_since=2, calm_since=3)
    nothing = Sight(at=9, value=UNKNOWN, probability=UNKNOWN)

    assert tick(timers, a_rule(), nothing, THRESHOLD) == timers


def test_an_unknown_probability_warns_of_nothing() -> None:
    assert story(a_rule(), sights(60.0, 60.0, probability=UNKNOWN)) == []


def test_an_alert_that_has_closed_opens_again_after_its_rest_and_no_sooner() -> None:
    closed = AlertState(device_id="pi-1", rule="heat", episode=1, since=60_000)
    timers = Timers(last_at=0, over_since=0)

    def begun(at: int) -> State | None:
        hot = Sight(at=at, value=95.0, probability=0.9)
        return next_state(closed, timers, a_rule(), hot, THRESHOLD)

    assert begun(60_000 + REST_MS - 1) is None
    assert begun(60_000 + REST_MS) is State.STRESSED
    assert begun(59_999) is State.STRESSED  # the clock was set back


def test_an_alert_that_is_open_may_get_worse_at_once() -> None:
    warned = AlertState(device_id="pi-1", rule="heat", level=Status.SOON, episode=1, since=60_000)
    hot = Sight(at=60_001, value=95.0, probability=0.9)

    timers = tick(Timers(), a_rule(), hot, THRESHOLD)

    assert next_state(warned, timers, a_rule(), hot, THRESHOLD) is State.STRESSED


@pytest.mark.parametrize(
    ("level", "end"),
    [(Status.OK, None), (Status.SOON, State.OK), (Status.STRESSED, State.RECOVERED)],
)
def test_switching_a_rule_off_ends_its_alert(level: Status, end: State | None) -> None:
    rule = a_rule(80.0, enabled=False)
    hot = Sight(at=0, value=120.0, probability=1.0)

    state = msgspec.structs.replace(START, level=level)

    assert next_state(state, tick(Timers(), rule, hot, THRESHOLD), rule, hot, THRESHOLD) == end


def test_timers_that_are_idle_are_those_that_cannot_make_an_ok_alert_stressed() -> None:
    hot, cool = (Sight(at=0, value=value, probability=0.0) for value in (85.0, 60.0))

    assert not tick(Timers(), a_rule(), hot, THRESHOLD).idle
    assert tick(Timers(), a_rule(), cool, THRESHOLD).idle
    assert not holds(Timers(), a_rule(), at=10**9)


def test_every_kind_has_the_rules_for_it_with_its_own_limits() -> None:
    assert rule_named("heat", "pc").limit == 90.0
    assert rule_named("heat", "raspberry").limit == 80.0
    assert "undervoltage" in {rule.name for rule in rules_for("raspberry")}
    assert "undervoltage" not in {rule.name for rule in rules_for("pc")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_in_force_is_one_that_its_owner_could_set(kind: str) -> None:
    for rule in rules_for(kind):
        same = RuleChange(device_id="d", rule=rule.name, limit=rule.limit, hold_s=rule.hold_s)
        assert checked_change(same, kind) == same


def test_an_owners_change_is_for_one_rule_and_leaves_what_it_does_not_name() -> None:
    change = RuleChange(device_id="pi-1", rule="heat", limit=70.0, severity=Severity.INFO)

    changed = {rule.name: rule for rule in rules_for("raspberry", [change])}
    untouched = {rule.name: rule for rule in rules_for("raspberry")}

    assert changed["heat"] == replace(untouched["heat"], limit=70.0, severity=Severity.INFO)
    assert changed | {"heat": untouched["heat"]} == untouched


def test_a_rule_can_be_switched_off() -> None:
    change = RuleChange(device_id="pi-1", rule="heat", enabled=False)

    assert not rule_named("heat", "raspberry", [change]).enabled


@pytest.mark.parametrize(
    "values",
    [
        {"limit": 29.9},
        {"limit": 120.1},
        {"limit": math.nan},
        {"limit": math.inf},
        {"hold_s": -1.0},
        {"hold_s": MAX_HOLD_S + 1.0},
        {"hold_s": math.nan},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": math.nan},
    ],
    ids=str,
)
def test_a_change_that_cannot_work_is_refused_with_the_reason(values: dict[str, float]) -> None:
    change = msgspec.structs.replace(RuleChange(device_id="pi-1", rule="heat"), **values)

    with pytest.raises(InvalidRule, match="must be"):
        checked_change(change, "raspberry")


def test_a_rule_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownRule, match="heat, overload"):
        checked_change(RuleChange(device_id="pc-1", rule="undervoltage", limit=4.5), "pc")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_stress_is_as_severe_as_its_rule_and_relief_is_news(rule: Rule) -> None:
    assert severity_of(State.STRESSED, rule) is rule.severity
    assert severity_of(State.SOON, rule) is Severity.WARNING
    assert severity_of(State.RECOVERED, rule) is Severity.INFO
    assert severity_of(State.OK, rule) is Severity.INFO
