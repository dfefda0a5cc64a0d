"""/devices/{device_id}/rules: when a device counts as stressed, and how its owner changes that."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_restx import Model, Namespace, Resource, fields
from msgspec import UNSET, UnsetType

from api import pages, query
from api.bodies import body_as
from api.devices_known import known_device
from api.documented import DEVICE_IN_PATH, UNKNOWN_DEVICE, documented, page_model, with_models
from api.fields import (
    MaybeFloat,
    MaybeString,
    flag,
    moment,
    number,
    words,
)
from api.parts import now_ms, store
from fleetpulse.alerts import (
    MAX_HOLD_S,
    RULE_NAMES,
    Direction,
    Rule,
    RuleChange,
    Severity,
    checked_change,
    rules_for,
)
from fleetpulse.stores.protocols import Device

SEVERITIES = [str(each) for each in Severity]

RULE = Model(
    "Rule",
    {
        "rule": words("Its name", "heat"),
        "label": words("What it watches, for people", "temperature"),
        "watches": words("What it watches: a channel, or a quantity made of some", "temperature_c"),
        "unit": words("Unit of the limits", "°C"),
        "direction": words(
            "Which side of the limit is stress", "above", enum=[str(each) for each in Direction]
        ),
        "limit": number("The limit in force, in the rule's unit", 80.0, nullable=False),
        "default_limit": number("The limit if nothing was changed", 80.0, nullable=False),
        "lowest": number("The lowest limit that makes sense", 30.0, nullable=False),
        "highest": number("The highest limit that makes sense", 120.0, nullable=False),
        "hold_s": number("Seconds past the limit until it counts", 0.0, nullable=False),
        "threshold": number(
            "Probability, 0 to 1, from which on it is said to come soon; null: the model's own", 0.6
        ),
        "severity": words("How much it matters", "critical", enum=SEVERITIES),
        "predicted": flag("Whether a model foresees it", True),
        "enabled": flag("Whether it is watched", True),
        "changed_at": moment("When its owner changed it; null: never", nullable=True),
    },
)
RULE_PAGE = page_model(RULE)
RULE_CHANGE = Model(
    "RuleChange",
    {
        "rule": words(f"Which rule: {', '.join(RULE_NAMES)}", "heat"),
        "limit": MaybeFloat(
            description="New limit, in the rule's unit; null: the default", example=75.0
        ),
        "hold_s": MaybeFloat(
            description=f"Seconds past the limit until it counts, 0 to {MAX_HOLD_S};"
            " null: the default",
            example=10.0,
        ),
        "threshold": MaybeFloat(
            description="Probability between 0 and 1 from which on it is said to come soon;"
            " null: the model's own",
            example=0.6,
        ),
        "severity": MaybeString(
            description="How much it matters; null: the default",
            example="warning",
            enum=[*SEVERITIES, None],
        ),
        "enabled": fields.Boolean(
            description="Whether it is watched; null: the default", example=True
        ),
    },
)

rules = with_models(
    Namespace("rules", "When a device counts as stressed", path="/api/v1/devices"),
    RULE,
    RULE_PAGE,
    RULE_CHANGE,
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a PUT: what is not given stays, null goes back to the default."""

    rule: str
    limit: float | None | UnsetType = UNSET
    hold_s: float | None | UnsetType = UNSET
    threshold: float | None | UnsetType = UNSET
    severity: Severity | None | UnsetType = UNSET
    enabled: bool | None | UnsetType = UNSET


@rules.route("/<string:device_id>/rules")
@rules.doc(params=DEVICE_IN_PATH)
class Rules(Resource):
    """The rules of a device."""

    @documented(rules, RULE_PAGE, "Every rule in force", problems=UNKNOWN_DEVICE)
    def get(self, device_id: str) -> Response:
        """The rules in force for one device"""
        device = known_device(device_id)
        query.asked()
        return rules_in_force(device)

    @documented(
        rules,
        RULE_PAGE,
        "Changed; every rule as it is now in force",
        problems={
            404: "There is no such device, or no such rule for its kind",
            400: "The change cannot work; detail says why",
            413: "The body is too large",
            415: "The body is not application/json",
        },
    )
    @rules.expect(RULE_CHANGE)
    def put(self, device_id: str) -> Response:
        """Change one rule of one device

        What is not given stays as it is; null goes back to the default. The consumer obeys within
        a few seconds.
        """
        device = known_device(device_id)
        query.asked()
        wanted = body_as(Wanted, "a change of a rule")
        before = {change.rule: change for change in store().rules.of(device_id)}
        change = changed(
            before.get(wanted.rule, RuleChange(device_id=device_id, rule=wanted.rule)), wanted
        )
        store().rules.put(checked_change(change, device.kind))
        return rules_in_force(device)


def changed(before: RuleChange, wanted: Wanted) -> RuleChange:
    """What the owner's change of a rule is after `wanted`."""
    given = {
        name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not UNSET
    }
    return msgspec.structs.replace(before, changed_at=now_ms(), **given)


def rules_in_force(device: Device) -> Response:
    """Every rule of a device, its owner's changes applied."""
    changes = {change.rule: change for change in store().rules.of(device.device_id)}
    defaults = {rule.name: rule for rule in rules_for(device.kind)}
    items = [
        rule_view(rule, defaults[rule.name], changes.get(rule.name))
        for rule in rules_for(device.kind, changes.values())
    ]
    return pages.answer({"items": items, "next_cursor": None})


def rule_view(rule: Rule, default: Rule, change: RuleChange | None) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        "rule": rule.name,
        "label": rule.label,
        "watches": rule.watches,
        "unit": rule.unit,
        "direction": rule.direction,
        "limit": rule.limit,
        "default_limit": default.limit,
        "lowest": rule.lowest,
        "highest": rule.highest,
        "hold_s": rule.hold_s,
        "threshold": rule.threshold,
        "severity": rule.severity,
        "predicted": rule.predicted,
        "enabled": rule.enabled,
        "changed_at": change.changed_at if change and rule != default else None,
    }
