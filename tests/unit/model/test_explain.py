"""Causes are exact Shapley values of groups, said against what is normal for the device."""

from __future__ import annotations

from itertools import permutations
from math import isnan

import numpy as np
import pytest

from generators.simulated import held_out_fleet
from model.explain import GROUPS, _columns, causes, shapley_values
from model.features import FEATURES
from model.files import FittedModel
from model.history import Floats
from model.predictor import load_predictor
from model.questions import ask
from model.sessions import from_fleet

NAMES = {rule: [feature.name for feature in features] for rule, features in FEATURES.items()}
UNKNOWN = np.full(3, np.nan)


@pytest.fixture(scope="module")
def models() -> dict[str, FittedModel]:
    return dict(load_predictor()._models.fitted)


def some_rows(rule: str, count: int) -> Floats:
    """Rows of machines that were not trained on, on their way to a limit."""
    questions = ask(from_fleet(held_out_fleet(3, 6, 1_800)), rule)
    places = np.linspace(0, len(questions) - 1, count).astype(np.int64)
    found: Floats = questions.features[places]
    return found


def by_every_order(model: FittedModel, rule: str, row: Floats) -> Floats:
    """The Shapley values as they are defined: the mean step over every order of the groups."""
    groups = [_columns(rule, group) for group in GROUPS[rule]]
    orders = list(permutations(range(len(groups))))
    nothing_known = row.copy()
    for columns in groups:
        nothing_known[columns] = model.typical[columns]
    variants = np.empty((len(orders), len(groups) + 1, row.shape[0]))
    for variant, order in zip(variants, orders, strict=True):
        variant[:] = nothing_known
        for step, group in enumerate(order, start=1):
            variant[step:, groups[group]] = row[groups[group]]
    raw = model.chance.decision_function(variants.reshape(-1, row.shape[0]))
    steps = np.diff(raw.reshape(len(orders), -1), axis=1)
    values = np.zeros(len(groups))
    for order, step in zip(orders, steps, strict=True):
        values[list(order)] += step / len(orders)
    return values


@pytest.mark.parametrize("rule", FEATURES)
def test_a_weight_is_the_mean_over_every_order_of_becoming_known(
    models: dict[str, FittedModel], rule: str
) -> None:
    asked = some_rows(rule, 4)

    found = shapley_values(models[rule], rule, asked)

    for row, values in zip(asked, found, strict=True):
        assert values == pytest.approx(by_every_order(models[rule], rule, row), abs=1e-9)


@pytest.mark.parametrize("rule", FEATURES)
def test_the_weights_make_up_the_whole_difference_from_a_typical_machine(
    models: dict[str, FittedModel], rule: str
) -> None:
    model, asked = models[rule], some_rows(rule, 300)
    ungrouped = set(range(asked.shape[1])) - {
        column for group in GROUPS[rule] for column in _columns(rule, group)
    }
    assert {NAMES[rule][column] for column in ungrouped} == {"kind", "cadence_s", "span_s"}
    typical = np.repeat(model.typical[None], len(asked), axis=0)
    typical[:, list(ungrouped)] = asked[:, list(ungrouped)]  # of the same kind and cadence

    difference = model.chance.decision_function(asked) - model.chance.decision_function(typical)

    assert shapley_values(model, rule, asked).sum(axis=1) == pytest.approx(difference, abs=1e-9)


def busy_row(rule: str, model: FittedModel, **values: float) -> Floats:
    row = model.typical.copy()
    for name, value in values.items():
        row[NAMES[rule].index(name)] = value
    return row[None]


def test_load_is_held_against_what_is_normal_for_the_device(
    models: dict[str, FittedModel],
) -> None:
    asked = some_rows("heat", 400)
    loads = [group.features[0] for group in GROUPS["heat"]].index("load_")
    row = asked[np.argmax(shapley_values(models["heat"], "heat", asked)[:, loads])]
    normal = np.array([[12.0, 47.0, np.nan]])

    (said,) = causes(models["heat"], "heat", row[None], normal, most=6)

    assert f"load {row[NAMES['heat'].index('load_pct')]:.0f} %" in said[0]
    assert said[0].endswith(", normally 12 %")


def test_no_feature_is_in_two_groups() -> None:
    for rule, groups in GROUPS.items():
        columns = [column for group in groups for column in _columns(rule, group)]
        assert len(columns) == len(set(columns))


def test_where_nothing_is_normal_yet_nothing_is_said_of_it(
    models: dict[str, FittedModel],
) -> None:
    asked = some_rows("heat", 50)

    found = causes(models["heat"], "heat", asked, np.repeat(UNKNOWN[None], 50, axis=0), most=6)

    assert not any("normally" in words or "nan" in words for said in found for words in said)


def test_what_lowers_the_chance_is_no_cause(models: dict[str, FittedModel]) -> None:
    asked = some_rows("heat", 100)
    weights = shapley_values(models["heat"], "heat", asked)

    found = causes(models["heat"], "heat", asked, np.repeat(UNKNOWN[None], 100, axis=0), most=6)

    for said, weight in zip(found, weights, strict=True):
        assert len(said) <= (weight > 0).sum()


def test_a_first_cause_is_the_weightiest(models: dict[str, FittedModel]) -> None:
    row = busy_row("heat", models["heat"], headroom_c=0.5, projected_30s=-9.0, projected_60s=-9.0)
    weights = shapley_values(models["heat"], "heat", row)[0]
    heaviest = GROUPS["heat"][int(np.argmax(weights))]
    values = dict(zip(NAMES["heat"], row[0].tolist(), strict=True))

    (said,) = causes(models["heat"], "heat", row, UNKNOWN[None], most=3)

    normal = dict.fromkeys(("load_pct", "temperature_c", "power_w"), float("nan"))
    assert said[0] == heaviest.say(values, normal)
    assert isnan(normal["load_pct"])
