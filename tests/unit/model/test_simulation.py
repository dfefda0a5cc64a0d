"""The shipped models on machines, loads and cooling that they were not trained on."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from fleetpulse.alerts import CALM_SHARE
from fleetpulse.telemetry import CHANNEL_NAMES
from generators.simulated import (
    TIGHT_CASE_PI,
    SimulatedMachine,
    demo_episodes,
    held_out_fleet,
    simulated_machine,
)
from model.evaluate import average_precision, baselines, crossings, warnings_at
from model.features import FEATURES
from model.files import FittedModel, load
from model.history import Floats
from model.predictor import load_predictor
from model.questions import ask
from model.registry import ModelCard, open_registry
from model.sessions import Sessions, from_fleet
from tests.unit.model.builders import NOON_MS

LIMIT_C = 80.0


def watched(
    machine: SimulatedMachine, seconds: int = 1200, every_s: int = 5
) -> tuple[Floats, Floats]:
    """Temperature and chance of heat of a simulated Pi, reading by reading."""
    moments = NOON_MS + 1000 * np.arange(0, seconds, every_s, dtype=np.int64)
    readings = [machine.values(int(at)) for at in moments]
    # numpy makes NaN of None.
    columns = [[each.get(name) for name in CHANNEL_NAMES] for each in readings]
    values = np.array(columns, dtype=np.float64)
    count = len(moments)
    limits = {"heat": np.full(count, LIMIT_C), "overload": np.full(count, 95.0)}
    slots = np.zeros(count, np.int64)
    scores = load_predictor().score(slots, ["raspberry"] * count, moments, values, limits)
    return values[:, CHANNEL_NAMES.index("temperature_c")], scores.probability["heat"]


def a_pi(board_k_per_w: float, seed: int) -> SimulatedMachine:
    """The demonstration's Pi and load with another cooler, as heavy as its own."""
    heat_capacity = TIGHT_CASE_PI.board_k_per_w * TIGHT_CASE_PI.board_j_per_k / board_k_per_w
    cooled = replace(TIGHT_CASE_PI, board_k_per_w=board_k_per_w, board_j_per_k=heat_capacity)
    return SimulatedMachine(cooled, demo_episodes(random.Random(seed)), random.Random(seed))


def leads(temperature: Floats, chance: Floats, threshold: float, every_s: int = 5) -> list[float]:
    """For each crossing of the limit: how long before it "soon" was said; 0: it was not."""
    crossings = np.flatnonzero((temperature[1:] >= LIMIT_C) & (temperature[:-1] < LIMIT_C)) + 1
    fresh = [row for row in crossings if (temperature[max(0, row - 12) : row] < LIMIT_C).all()]
    calm = chance < CALM_SHARE * threshold
    found = []
    for row in fresh:
        danger = int(np.flatnonzero(calm[:row])[-1]) + 1
        warned = np.flatnonzero(chance[danger:row] >= threshold)
        found.append(float(every_s * (row - danger - warned[0])) if len(warned) else 0.0)
    return found


def the_card(rule: str) -> ModelCard:
    """The shipped model's card."""
    return open_registry().current()[rule]


def the_model(rule: str) -> FittedModel:
    """The shipped model of a rule."""
    card = the_card(rule)
    names = [feature.name for feature in FEATURES[rule]]
    return load(open_registry().read(card), card.file, names)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_demonstration_is_warned_of_before_the_limit_is_reached(seed: int) -> None:
    temperature, chance = watched(simulated_machine("raspberry", "demo", seed))

    found = leads(temperature, chance, the_card("heat").threshold)

    assert len(found) >= 3
    assert min(found) >= 20


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_warning_stays_away_when_the_pi_is_cooled_well_enough(seed: int) -> None:
    well_cooled = watched(simulated_machine("raspberry", "cooled", seed))
    just_enough = watched(a_pi(board_k_per_w=7.0, seed=seed))

    assert 70 < just_enough[0].max() < LIMIT_C
    for _, chance in (well_cooled, just_enough):
        assert not (chance >= the_card("heat").threshold).any()


@pytest.fixture(scope="module")
def strangers() -> Sessions:
    """Machines with load profiles, air and cooling from outside the training ranges."""
    return from_fleet(held_out_fleet(seed=7, devices=60, seconds=3600))


def test_strangers_are_warned_of_in_time_and_seldom_in_vain(strangers: Sessions) -> None:
    threshold = the_card("heat").threshold
    questions = ask(strangers, "heat", [LIMIT_C])

    chance = the_model("heat").probability(questions.features)

    found = warnings_at(questions, chance, threshold)
    assert crossings(questions) >= 20
    assert found["precision at the threshold"] >= 0.7
    assert found["crossings warned of"] >= 0.6
    assert found["median lead time, s"] >= 15


def test_the_model_foresees_strangers_better_than_a_limit_or_a_straight_line(
    strangers: Sessions,
) -> None:
    questions = ask(strangers, "heat", [LIMIT_C])

    of_model = average_precision(
        questions.reached, the_model("heat").probability(questions.features)
    )

    for score in baselines("heat", questions).values():
        assert of_model > average_precision(questions.reached, score) + 0.05


def test_the_chances_of_strangers_mean_what_they_say(strangers: Sessions) -> None:
    questions = ask(strangers, "heat", [LIMIT_C])
    chance = the_model("heat").probability(questions.features)

    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 1.0)):
        inside = (chance >= low) & (chance < high)
        assert questions.reached[inside].mean() == pytest.approx(chance[inside].mean(), abs=0.15)
