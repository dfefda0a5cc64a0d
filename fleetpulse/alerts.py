"""Rules, alert states and their transitions: pure functions of values, in event time.

A rule watches one quantity of a device against a limit. Its life per device is
ok -> soon -> stressed -> recovered (which is ok again), or ok -> offline -> online for its silence;
one way round is an episode, and an event is named (device, rule, episode, state), so that the same
event is the same wherever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from fleetpulse.errors import InvalidRule, UnknownRule

HORIZON_S = 120.0  # a warning says what will be within this time
CALM_MS = 60_000  # a danger that the model no longer sees for this long has passed
CALM_SHARE = 0.5  # of the threshold: below it the model no longer sees the danger
CLEAR_HOLD_MS = 10_000  # past the close level for this long: recovered
REST_MS = 10_000  # an alert that has closed opens again no sooner; see docs/decisions/
LONGEST_GAP_MS = 150_000  # a cadence of 2 minutes is normal; a longer silence is a gap
MAX_HOLD_S = 300  # what the replay after a restart can rebuild; see docs/decisions/


class Direction(StrEnum):
    """On which side of its limit a quantity means stress."""

    ABOVE = "above"
    BELOW = "below"


class Severity(StrEnum):
    """How much an event matters to its owner."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Status(StrEnum):
    """What is known of a device at one reading; also the level of an alert (never unknown)."""

    OK = "ok"
    SOON = "soon"
    STRESSED = "stressed"
    UNKNOWN = "unknown"


class State(StrEnum):
    """What an alert event says has begun."""

    OK = "ok"  # the danger that was seen coming did not come
    SOON = "soon"
    STRESSED = "stressed"
    RECOVERED = "recovered"
    OFFLINE = "offline"
    ONLINE = "online"
    UNKNOWN = "unknown"
    ACKNOWLEDGED = "acknowledged"  # somebody has seen it; where the alert stands stays as it is


# Worst last: a device's status is that of its worst rule.
STATUS_ORDER: tuple[Status, ...] = (Status.OK, Status.UNKNOWN, Status.SOON, Status.STRESSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A quantity, its limit, and how long it must be past it."""

    name: str
    watches: str  # a quantity: a channel, or one that consumer/stages/quantities.py derives
    unit: str
    label: str  # of the quantity, for people
    direction: Direction = Direction.ABOVE
    limit: float
    limits: Mapping[str, float] = field(default_factory=dict)  # by kind, where it differs
    lowest: float  # limits that make sense
    highest: float
    clear_by: float  # hysteresis: how far back past the limit ends it, in the rule's unit
    hold_s: float = 0.0
    threshold: float | None = None  # probability that means soon; None: the model's own
    severity: Severity = Severity.WARNING
    predicted: bool = False
    kinds: tuple[str, ...] | None = None  # None: every kind
    enabled: bool = True


RULES: tuple[Rule, ...] = (
    Rule(
        name="heat",
        watches="temperature_c",
        unit="°C",
        label="temperature",
        # 80 °C: a Raspberry Pi begins to throttle, https://www.raspberrypi.com/documentation/computers/raspberry-pi.html
        limit=90.0,
        limits={"raspberry": 80.0},
        lowest=30.0,
        highest=120.0,
        clear_by=5.0,
        severity=Severity.CRITICAL,
        predicted=True,
    ),
    Rule(
        name="overload",
        watches="load_mean_60s",
        unit="%",
        label="load over 60 s",
        limit=95.0,
        lowest=10.0,
        highest=100.0,
        clear_by=10.0,
        predicted=True,
    ),
    Rule(
        name="throttled",
        watches="throttle",
        unit="0 or 1",
        label="throttling",
        limit=1.0,
        lowest=1.0,
        highest=1.0,
        clear_by=0.5,
        hold_s=30.0,
    ),
    Rule(
        name="undervoltage",
        watches="supply_voltage_v",
        unit="V",
        label="supply voltage",
        direction=Direction.BELOW,
        # 4.63 V: where the Pi's own detector trips, same page as above
        limit=4.63,
        lowest=3.5,
        highest=5.5,
        clear_by=0.1,
        severity=Severity.CRITICAL,
        kinds=("raspberry",),
    ),
    Rule(
        name="memory",
        watches="memory_pct",
        unit="%",
        label="memory",
        limit=95.0,
        lowest=10.0,
        highest=100.0,
        clear_by=5.0,
        hold_s=60.0,
    ),
    Rule(
        name="disk",
        watches="disk_pct",
        unit="%",
        label="disk",
        limit=95.0,
        lowest=10.0,
        highest=100.0,
        clear_by=2.0,
        hold_s=60.0,
    ),
    Rule(
        name="offline",
        watches="silence",  # since its last reading came, by our clock
        unit="s",
        label="silence",
        limit=30.0,  # or 6 of the device's own intervals, if that is longer
        lowest=10.0,
        highest=86_400.0,
        clear_by=0.0,
    ),
)
OFFLINE = "offline"  # the rule that goes by readings that do not come
READING_RULES: tuple[Rule, ...] = tuple(rule for rule in RULES if rule.name != OFFLINE)
RULE_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)
PREDICTED_RULES: tuple[str, ...] = tuple(rule.name for rule in RULES if rule.predicted)


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner changed of one rule for one device; None leaves the default."""

    device_id: str
    rule: str
    limit: float | None = None
    hold_s: float | None = None
    threshold: float | None = None
    severity: Severity | None = None
    enabled: bool | None = None
    changed_at: int = 0  # Unix ms


def rules_for(kind: str, changes: Iterable[RuleChange] = ()) -> tuple[Rule, ...]:
    """The rules in force for a device of this kind, its owner's changes applied."""
    changed = {change.rule: change for change in changes}
    return tuple(
        _changed(replace(rule, limit=rule.limits.get(kind, rule.limit)), changed.get(rule.name))
        for rule in RULES
        if rule.kinds is None or kind in rule.kinds
    )


def rule_named(name: str, kind: str, changes: Iterable[RuleChange] = ()) -> Rule:
    """One rule in force. Raises UnknownRule."""
    rules = {rule.name: rule for rule in rules_for(kind, changes)}
    if name not in rules:
        raise UnknownRule(name, tuple(rules))
    return rules[name]


def _changed(rule: Rule, change: RuleChange | None) -> Rule:
    if change is None:
        return rule
    return replace(
        rule,
        limit=rule.limit if change.limit is None else change.limit,
        hold_s=rule.hold_s if change.hold_s is None else change.hold_s,
        threshold=rule.threshold if change.threshold is None else change.threshold,
        severity=rule.severity if change.severity is None else change.severity,
        enabled=rule.enabled if change.enabled is None else change.enabled,
    )


def checked_change(change: RuleChange, kind: str) -> RuleChange:
    """The same change, if it can work for such a device. Raises UnknownRule, InvalidRule."""
    rule = rule_named(change.rule, kind)
    if change.limit is not None and not rule.lowest <= change.limit <= rule.highest:
        raise InvalidRule(
            f"The limit of {rule.name} must be between {rule.lowest:g} and {rule.highest:g}"
            f" {rule.unit}, not {change.limit:g}."
        )
    if change.hold_s is not None and not 0 <= change.hold_s <= MAX_HOLD_S:
        raise InvalidRule(f"hold_s must be between 0 and {MAX_HOLD_S} seconds.")
    if change.threshold is not None and not 0 < change.threshold < 1:
        raise InvalidRule("threshold must be a probability between 0 and 1, both excluded.")
    return change


class Position(msgspec.Struct, frozen=True):
    """A place in a log: which partition of which cluster, and the offset there."""

    log: str  # "<cluster id>/<topic>/<partition>"
    offset: int


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """Where one rule of one device stands, and up to which record it has been judged."""

    device_id: str
    rule: str
    level: Status = Status.OK
    episode: int = 0
    since: int = 0  # Unix ms, event time
    judged: Position | None = None


def is_judged(state: AlertState, here: Position) -> bool:
    """Whether an earlier run has already judged this record."""
    judged = state.judged
    return judged is not None and judged.log == here.log and here.offset <= judged.offset


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change of state, as stored, published and delivered."""

    event_id: str
    device_id: str
    kind: str
    rule: str
    episode: int
    state: State
    previous_state: State
    at: int  # Unix ms, event time
    probability: float | None = None
    expected_s: float | None = None
    value: float | None = None  # of the rule's quantity, in the rule's unit
    limit: float | None = None
    causes: list[str] = []
    model_version: str | None = None
    severity: Severity = Severity.WARNING
    said_by: str | None = None  # who acknowledged


def event_id(device_id: str, rule: str, episode: int, state: State) -> str:
    """The name of an event: the same wherever and however often it is made."""
    return f"{device_id}:{rule}:{episode}:{state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is seen of one rule at one reading. NaN: not known."""

    at: int  # Unix ms, event time
    value: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Since when (Unix ms) each condition has held without a break; None: it does not hold.

    They depend on the recent readings only, never on the alert's state, so that a restart rebuilds
    them from the log.
    """

    last_at: int | None = None  # of the newest reading
    over_since: int | None = None  # at or past the limit
    clear_since: int | None = None  # back past the close level
    calm_since: int | None = None  # the model no longer sees the danger

    @property
    def idle(self) -> bool:
        """Whether nothing is being timed that could change an alert which is ok."""
        return self.over_since is None


def is_over(rule: Rule, value: float) -> bool:
    """Whether `value` is at or past the rule's limit; NaN never is."""
    return value >= rule.limit if rule.direction is Direction.ABOVE else value <= rule.limit


def is_clear(rule: Rule, value: float) -> bool:
    """Whether `value` is back past the close level; NaN never is."""
    if rule.direction is Direction.ABOVE:
        return value < rule.limit - rule.clear_by
    return value > rule.limit + rule.clear_by


def tick(timers: Timers, rule: Rule, sight: Sight, threshold: float) -> Timers:
    """The timers after one more reading; what is not known leaves its timer as it was.

    After a silence, or when the device's clock was set back, they begin anew: nobody knows what
    held meanwhile.
    """
    last_at = sight.at if timers.last_at is None else timers.last_at
    if not 0 <= sight.at - last_at <= LONGEST_GAP_MS:
        timers = Timers()
    over, clear, calm = timers.over_since, timers.clear_since, timers.calm_since
    if not math.isnan(sight.value):
        over = _since(over, is_over(rule, sight.value), sight.at)
        clear = _since(clear, is_clear(rule, sight.value), sight.at)
    if not math.isnan(sight.probability):
        calm = _since(calm, sight.probability < CALM_SHARE * threshold, sight.at)
    return Timers(last_at=sight.at, over_since=over, clear_since=clear, calm_since=calm)


def _since(since: int | None, holds: bool, at: int) -> int | None:
    if not holds:
        return None
    return at if since is None else since


def holds(timers: Timers, rule: Rule, at: int) -> bool:
    """Whether the rule holds: past its limit for its hold time."""
    return timers.over_since is not None and at - timers.over_since >= rule.hold_s * 1000


def next_state(
    state: AlertState, timers: Timers, rule: Rule, sight: Sight, threshold: float
) -> State | None:
    """What begins for this alert at this reading; None: nothing changes.

    A reading without the rule's value shows neither stress nor recovery. A rule that is switched
    off ends the alert that it has open. An alert that has just closed rests before it opens again.
    """
    level = state.level
    if not rule.enabled:
        return _END.get(level)
    if rests(state, sight.at):
        return None
    known = not math.isnan(sight.value)
    if level is Status.STRESSED:
        clear = known and _lasts(timers.clear_since, sight.at, CLEAR_HOLD_MS)
        return State.RECOVERED if clear else None
    if known and holds(timers, rule, sight.at):
        return State.STRESSED
    if level is Status.SOON:
        return State.OK if _lasts(timers.calm_since, sight.at, CALM_MS) else None
    return State.SOON if sight.probability >= threshold else None


def rests(state: AlertState, at: int) -> bool:
    """Whether an alert that has closed may not open again yet.

    A clock that was set back since ends the rest: nobody knows how long it has been.
    """
    closed = state.level is Status.OK and state.episode > 0
    return closed and 0 <= at - state.since < REST_MS


def next_presence(state: AlertState, rule: Rule, at: int, *, heard: bool) -> State | None:
    """What begins for the alert of a silence: of a device that is heard, or silent past its limit.

    at: by our clock, as all of this alert's life.
    """
    is_offline = state.level is Status.STRESSED
    if heard:
        return State.ONLINE if is_offline else None
    if not rule.enabled:
        return State.OK if is_offline else None
    return None if is_offline or rests(state, at) else State.OFFLINE


# What ends an alert of each level.
_END = {Status.SOON: State.OK, Status.STRESSED: State.RECOVERED}


def _lasts(since: int | None, at: int, for_ms: int) -> bool:
    return since is not None and at - since >= for_ms


def after(state: AlertState, begun: State, at: int, judged: Position | None) -> AlertState:
    """The alert's state once `begun` has begun; a way out of ok opens a new episode."""
    opens = state.level is Status.OK
    level = _LEVEL.get(begun, Status.OK)
    return AlertState(
        device_id=state.device_id,
        rule=state.rule,
        level=level,
        episode=state.episode + 1 if opens else state.episode,
        since=at,
        judged=judged,
    )


# What an event leaves an alert at; all others close it.
_LEVEL = {
    State.SOON: Status.SOON,
    State.STRESSED: Status.STRESSED,
    State.OFFLINE: Status.STRESSED,
}


def severity_of(begun: State, rule: Rule) -> Severity:
    """Stress is as severe as its rule; what may come is a warning; what has passed is news."""
    if begun in (State.STRESSED, State.OFFLINE):
        return rule.severity
    return Severity.WARNING if begun is State.SOON else Severity.INFO
