"""Cooling that has become worse is told from warm rooms, seasons and other work."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from generators.simulated import PC
from generators.thermal import MachineParameters
from generators.years import Clogging, hours_of
from model.wear import DAY_MS, Hours, Wear, wear_of

CLOGGED = Clogging(from_day=0, until_day=1, health=0.2)


def weeks(
    parameters: MachineParameters = PC, *, clogging: Clogging | None = None, seed: int = 1
) -> Hours:
    """Four weeks of a machine."""
    hours = list(hours_of(parameters, 28, random.Random(seed), clogging))
    return Hours(
        begins_at=np.array([3_600_000 * hour.number for hour in hours], dtype=np.int64),
        temperature_c=np.array([hour.temperature_c for hour in hours]),
        load_pct=np.array([hour.load_pct for hour in hours]),
    )


def wear(first: Hours, recent: Hours) -> Wear:
    found = wear_of(first, recent)
    assert found is not None
    return found


def test_a_clogged_fan_is_noticed_and_said_with_numbers() -> None:
    found = wear(weeks(seed=1), weeks(seed=2, clogging=CLOGGED))

    assert found.is_worn
    assert not found.is_well
    assert f"{found.hotter_c:.0f} °C hotter under load" in found.words()
    assert "Clean the fan" in found.words()


def test_a_machine_that_cools_as_it_did_is_well() -> None:
    found = wear(weeks(seed=1), weeks(seed=2))

    assert found.is_well
    assert not found.is_worn


@pytest.mark.parametrize("warmer_c", [-8.0, 8.0])
def test_another_room_is_no_wear(warmer_c: float) -> None:
    elsewhere = replace(PC, ambient_c=PC.ambient_c + warmer_c)

    assert not wear(weeks(seed=1), weeks(elsewhere, seed=2)).is_worn


def test_more_work_is_no_wear() -> None:
    first, recent = weeks(seed=1), weeks(seed=2)
    lazy = first.of(first.load_pct < np.percentile(first.load_pct, 80))

    assert not wear(lazy, recent).is_worn


def test_a_load_that_never_changes_tells_nothing() -> None:
    hours = weeks()
    steady = replace(hours, load_pct=np.full(len(hours.load_pct), 50.0))

    assert wear_of(steady, steady) is None


def test_a_machine_without_a_sensor_tells_nothing() -> None:
    hours = weeks()
    blind = replace(hours, temperature_c=np.full(len(hours.load_pct), np.nan))

    assert wear_of(blind, blind) is None
    assert wear_of(hours, blind) is None


def test_a_few_days_are_not_enough() -> None:
    hours = weeks()

    assert wear_of(hours, hours.of(hours.begins_at < 3 * DAY_MS)) is None


def test_a_day_of_sensor_trouble_changes_nothing() -> None:
    first, recent = weeks(seed=1), weeks(seed=2)
    bad = recent.begins_at // DAY_MS == 8
    troubled = replace(recent, temperature_c=np.where(bad, 120.0, recent.temperature_c))

    assert not wear(first, troubled).is_worn
