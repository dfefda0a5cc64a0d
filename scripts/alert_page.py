"""docs/alerts.md: rules, states and times, from fleetpulse/alerts.py."""

from __future__ import annotations

from collections.abc import Iterator

from fleetpulse.alerts import (
    CALM_MS,
    CALM_SHARE,
    CLEAR_HOLD_MS,
    HORIZON_S,
    LONGEST_GAP_MS,
    MAX_HOLD_S,
    OFFLINE,
    REST_MS,
    RULES,
    STATUS_ORDER,
    Direction,
    Rule,
    State,
    severity_of,
)
from fleetpulse.people import DEFAULT_REPEAT_S
from fleetpulse.policy import BURST_MS, FEW_DEVICES, GROUP_EVERY_MS, OLD_MS
from fleetpulse.presence import STALE_AT_LEAST_MS, STALE_INTERVALS
from scripts.tables import table

# What each state says; one that is missing here fails the page.
MEANING = {
    State.SOON: "the model gives at least its threshold that the rule will hold within"
    f" {HORIZON_S:g} s",
    State.STRESSED: "the rule holds: at or past its limit for its hold time",
    State.RECOVERED: f"back past the limit by its hysteresis for {CLEAR_HOLD_MS / 1000:g} s, or the"
    " rule was switched off",
    State.OK: "the danger that was seen coming did not come: the probability stayed below"
    f" {CALM_SHARE:g} of the threshold for {CALM_MS / 1000:g} s, or the rule was switched off",
    State.OFFLINE: "nothing is heard of the device for longer than its limit",
    State.ONLINE: "it is heard again",
    State.ACKNOWLEDGED: "somebody has seen it; the alert stays where it stands",
    State.UNKNOWN: "kept for later; no event says it now",
}

HEAD = """\
# Rules and alerts

A **rule** watches one quantity of a device against a limit. A **status** says how a device is at
one reading; an **alert** is one episode of a rule: it opens, may get worse, and closes. Why it is
so: [decision 1](decisions/0001-state-and-guarantees.md).

## Rules

"""
AFTER_RULES = f"""
- **Limit** is what comes with fleetpulse; *may be* is what an owner may set for a device: in the
  chat (`/limit`), on the dashboard, or by `PUT /api/v1/devices/{{id}}/rules`.
- **Held**: so long without a break, by the readings' own times; an owner may set 0 to
  {MAX_HOLD_S} s.
- **Ends**: an alert ends once the value has been past this for {CLEAR_HOLD_MS / 1000:g} s. The
  distance to the limit is the hysteresis, so that a value that swings around its limit makes one
  alert.
- **Predicted**: the rule has a model and can say *soon*. Its threshold is the model's own, unless
  an owner sets one.
- `{OFFLINE}` waits for {STALE_INTERVALS} of the device's own intervals, if that is longer than
  its limit.
- A quantity that the machine lacks is not watched.

## Status of a reading

One of {{statuses}}, worst last. Without a reading for {STALE_INTERVALS} intervals,
{STALE_AT_LEAST_MS / 1000:g} s at least, and wherever the model does not know enough ([what models
do not know](models.md#what-models-do-not-know)), a device is `unknown`, never `ok`.

## States of an alert

```mermaid
stateDiagram-v2
    [*] --> soon: model, at the threshold
    [*] --> stressed: limit, held
    soon --> stressed: limit, held
    soon --> ok: calm for {CALM_MS / 1000:g} s
    stressed --> recovered: clear for {CLEAR_HOLD_MS / 1000:g} s
    ok --> [*]
    recovered --> [*]
```

A silence has a life of its own: `offline`, then `online`.

"""
AFTER_STATES = f"""
- One way from `ok` and back is an **episode**. An event's name is device, rule, episode and
  state, so however often it is made, it is one.
- An alert that has closed opens again after {REST_MS / 1000:g} s at the earliest.
- After a silence of more than {LONGEST_GAP_MS / 1000:g} s, or when a device's clock was set back,
  all timers begin anew: nobody knows what held meanwhile.
- Everything but silence is judged by the readings' own times, so late data gives the alerts that
  it would have given in time.

## What is told, and when

- One message an alert, changed as the alert changes. What lasts is told again every
  {DEFAULT_REPEAT_S / 3600:g} hours until somebody acknowledges it; each chat may choose another
  time.
- News of up to {FEW_DEVICES} devices within {BURST_MS / 1000:g} s are told one by one, more of
  them in one message each {GROUP_EVERY_MS / 1000:g} s.
- What is older than {OLD_MS / 60_000:g} minutes when it can be told comes in one summary.
- Snoozes and quiet hours hold news back ([decision 4](decisions/0004-delivery.md)).

This page is made from `fleetpulse/alerts.py` and `fleetpulse/policy.py` by `make docs`; a test
holds them together.
"""


def alert_page() -> str:
    """The whole page."""
    head = ("rule", "watches", "limit", "may be", "held", "ends", "severity", "predicted")
    statuses = ", ".join(f"`{status}`" for status in STATUS_ORDER)
    return (
        HEAD
        + table(head, map(_rule, RULES))
        + AFTER_RULES.replace("{statuses}", statuses)
        + table(("state", "means", "severity"), _states())
        + AFTER_STATES
    )


def _rule(rule: Rule) -> tuple[str, ...]:
    limits = {"": rule.limit, **rule.limits}
    return (
        f"`{rule.name}`" + (f" ({', '.join(rule.kinds)})" if rule.kinds else ""),
        f"{rule.label} (`{rule.watches}`)",
        ", ".join(
            f"{_side(rule)} {limit:g}{_unit(rule)}" + (f" ({kind})" if kind else "")
            for kind, limit in limits.items()
        ),
        f"{rule.lowest:g} to {rule.highest:g}" if rule.lowest < rule.highest else "",
        f"{rule.hold_s:g} s" if rule.hold_s else "",
        _end(rule),
        str(rule.severity),
        "yes" if rule.predicted else "",
    )


def _unit(rule: Rule) -> str:
    return "" if rule.lowest == rule.highest else f" {rule.unit}"


def _side(rule: Rule) -> str:
    return "≥" if rule.direction is Direction.ABOVE else "≤"


def _end(rule: Rule) -> str:
    if rule.name == OFFLINE:
        return "when it is heard"
    side = "below" if rule.direction is Direction.ABOVE else "above"
    return f"{rule.clear_by:g} {side} the limit"


def _states() -> Iterator[tuple[str, str, str]]:
    for state in State:
        of_rules = {severity_of(state, rule) for rule in RULES}
        told = "the rule's" if len(of_rules) > 1 else str(of_rules.pop())
        yield f"`{state}`", MEANING[state], told
