"""What is normal for a device: whole periods, each device its own, older ones less and less."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.history import Floats, Int64s
from model.normals import PERIOD_MS, Normals, named
from tests.unit.model.builders import NOON_MS, rows

LOAD, TEMPERATURE, POWER = range(3)


def every_5_s(periods: float, slot: int = 0) -> tuple[Int64s, Int64s]:
    """Slots and moments of one device that reports for so many periods from noon on."""
    count = round(periods * PERIOD_MS / 5_000)
    return np.full(count, slot), NOON_MS + 5_000 * np.arange(count)


def test_nothing_is_normal_until_two_periods_are_over() -> None:
    slots, at = every_5_s(2.1)

    means = Normals().means(slots, at, rows(len(at), load_pct=12.0))

    over = at >= NOON_MS + 2 * PERIOD_MS
    assert np.isnan(means[~over]).all()
    assert (means[over, LOAD] == 12.0).all()


def test_a_channel_that_a_machine_lacks_has_no_normal() -> None:
    slots, at = every_5_s(3)

    last = named(Normals().means(slots, at, rows(len(at), load_pct=12.0))[-1])

    assert last["load_pct"] == 12.0
    assert np.isnan(last["temperature_c"])
    assert np.isnan(last["power_w"])


def test_each_device_has_its_own() -> None:
    normals = Normals()
    for slot, load in ((0, 10.0), (200, 80.0)):
        slots, at = every_5_s(2, slot)
        normals.means(slots, at, rows(len(at), load_pct=load))

    now = np.full(2, NOON_MS + 2 * PERIOD_MS)
    means = normals.means(np.array([0, 200]), now, rows(2, load_pct=50.0))

    assert means[:, LOAD] == pytest.approx([10.0, 80.0])


def test_what_was_normal_long_ago_counts_little() -> None:
    normals = Normals()
    slots, at = every_5_s(12)
    normals.means(slots, at, rows(len(at), load_pct=90.0))
    later = at + 5 * 86_400_000

    last = normals.means(slots, later, rows(len(at), load_pct=10.0))[-1]

    assert 10.0 < last[LOAD] < 12.0


def test_a_device_that_moves_on_takes_its_normal_with_it() -> None:
    normals = Normals()
    slots, at = every_5_s(3)
    normals.means(slots, at, rows(len(at), load_pct=12.0))

    normals.forget(np.array([0]))

    assert np.isnan(normals.means(slots[:1], at[-1:] + 5_000, rows(1, load_pct=9.0))).all()


def test_what_the_store_remembers_is_taken_over_unless_more_is_known() -> None:
    normals, period = Normals(), NOON_MS // PERIOD_MS
    normals.learn(0, period, [20.0, 50.0, np.nan], 12.0)
    normals.learn(0, period, [99.0, 99.0, 99.0], 3.0)

    means = normals.means(np.array([0]), np.array([NOON_MS]), rows(1, load_pct=9.0))

    assert means[0, [LOAD, TEMPERATURE]].tolist() == [20.0, 50.0]
    assert np.isnan(means[0, POWER])


def the_means_in_batches(
    slots: Int64s, at: Int64s, values: Floats, cuts: list[int]
) -> list[Floats]:
    normals = Normals()
    edges = [0, *sorted(cuts), len(at)]
    return [
        normals.means(slots[start:end], at[start:end], values[start:end])
        for start, end in zip(edges, edges[1:], strict=False)
    ]


@settings(max_examples=40)
@given(st.data())
def test_it_does_not_matter_how_rows_are_cut_into_batches(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    # Now and then a row comes late.
    steps = data.draw(st.lists(st.integers(-500_000, 900_000), min_size=count, max_size=count))
    slots = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    at = NOON_MS + np.cumsum(steps)
    values = rows(count, load_pct=np.linspace(0, 100, count))
    cuts = data.draw(st.lists(st.integers(0, count), max_size=5))

    whole = Normals().means(slots, at, values)
    parts = np.concatenate(the_means_in_batches(slots, at, values, cuts))

    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_it_costs_little_memory() -> None:
    assert Normals().bytes_per_device <= 120
