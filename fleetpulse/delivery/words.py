"""Numbers as people say them."""

from __future__ import annotations

from fleetpulse.alerts import OFFLINE, RULES, Direction, Rule, rule_named
from fleetpulse.errors import UnknownRule
from fleetpulse.telemetry import Unit

_DECIMALS = {Unit.VOLT.value: 2, Unit.GIGAHERTZ.value: 2}
_RULES = {rule.name: rule for rule in RULES}
_STEPS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def duration(seconds: float) -> str:
    """A time span in its two largest units: 8 s, 1 min 20 s, 3 h 5 min, 2 d 4 h."""
    whole = max(0, round(seconds))
    for size, name, part, part_name in _STEPS:
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def about(seconds: float) -> str:
    """A time span that is not known to the second: to 5 s below a minute, else to 10 s."""
    step = 5 if seconds < 60 else 10
    return f"about {duration(max(step, round(seconds / step) * step))}"


def ago(at: int, now_ms: int) -> str:
    """How long ago a moment was; what a fast clock puts ahead of us is now."""
    seconds = (now_ms - at) / 1000
    return "now" if seconds < 1 else f"{duration(seconds)} ago"


def percent(probability: float) -> str:
    """A probability from 1 to 99 %: a model is never certain."""
    return f"{min(99, max(1, round(probability * 100)))} %"


def quantity(value: float, unit: str) -> str:
    """A value with its unit; a flag as yes or no."""
    if unit == Unit.FLAG:
        return "yes" if value else "no"
    return f"{round(value, _DECIMALS.get(unit, 1)):g} {unit}"


def number_of(count: int, noun: str) -> str:
    """1 device, 2 devices."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def rule_called(name: str, kind: str) -> Rule | None:
    """The rule as it is by default, if we know it; another stream may have its own."""
    try:
        return rule_named(name, kind)
    except UnknownRule:
        return _RULES.get(name)


def past_limit(rule: Rule, limit: float) -> str:
    """What it means that the rule holds: memory at or above 95 % for 60 s."""
    if rule.name == OFFLINE:
        return f"no reading for {duration(limit)}"
    held = f" for {duration(rule.hold_s)}" if rule.hold_s > 0 else ""
    if rule.unit == Unit.FLAG:
        return f"{rule.label}{held}"
    side = "at or above" if rule.direction is Direction.ABOVE else "at or below"
    return f"{rule.label} {side} {quantity(limit, rule.unit)}{held}"
