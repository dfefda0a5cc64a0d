"""A reading that comes after a newer one of its device judges nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumer.roster import Roster
from consumer.stages.late import Latest, Order
from fleetpulse.clock import ManualClock
from fleetpulse.stores.protocols import ClockAhead
from tests.unit.consumer.builders import NOON, a_reading, decode


def late(latest: Latest, *rows: tuple[int, int, int]) -> list[bool]:
    """rows: slot, measured_at, seq."""
    slots, at, seq = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    found: list[bool] = latest.late(slots, at, seq)[0].tolist()
    return found


def test_in_order_nothing_is_late() -> None:
    assert late(Latest(), (0, 10, 1), (1, 5, 1), (0, 20, 2), (1, 5, 2)) == [False] * 4


def test_an_older_one_with_a_lower_seq_is_late_within_and_across_batches() -> None:
    latest = Latest()

    assert late(latest, (0, 10, 2), (0, 5, 1), (0, 20, 3)) == [False, True, False]
    assert late(latest, (0, 15, 2)) == [True]
    assert late(latest, (0, 20, 3)) == [False]


def test_a_clock_that_was_set_back_goes_on_from_there() -> None:
    latest = Latest()

    assert late(latest, (0, 1000, 1), (0, 10, 2), (0, 20, 3)) == [False] * 3
    assert late(latest, (0, 15, 2)) == [True]


def test_a_device_whose_clock_was_set_back_is_named_once_and_begins_anew() -> None:
    stage, roster = Order(ManualClock(NOON)), Roster()
    before = stage(decode(a_reading(0, seq=1), a_reading(5, seq=2), roster=roster))

    after = stage(decode(a_reading(-3595, seq=3), a_reading(-3590, seq=4), roster=roster))

    assert not before.set_back.any()
    assert after.set_back.tolist() == [True, False]
    assert not after.late.any()
    assert list(after.clocks_ahead) == [
        ClockAhead(device_id="pi-1", kind="raspberry", ahead_ms=-3_600_000, at=NOON)
    ]


def test_a_step_of_seconds_is_no_clock_that_was_set_back() -> None:
    stage = Order(ManualClock(NOON))

    batch = stage(decode(a_reading(0, seq=1), a_reading(-60, seq=2)))

    assert not batch.set_back.any()
    assert batch.clocks_ahead == []


def test_what_is_read_again_after_a_restart_is_not_told_again() -> None:
    stage = Order(ManualClock(NOON))
    batch = decode(a_reading(0, seq=1), a_reading(-3600, seq=2))

    batch = stage(replace(batch, replayed=np.ones(2, dtype=np.bool_)))

    assert batch.set_back.tolist() == [False, True]
    assert batch.clocks_ahead == []


def test_a_forgotten_device_begins_anew() -> None:
    latest = Latest()
    late(latest, (0, 1000, 9))

    latest.forget(np.array([0]))

    assert late(latest, (0, 10, 1)) == [False]


rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30
)


@given(rows, st.integers(0, 30))
def test_how_rows_are_cut_into_batches_does_not_matter(
    all_rows: list[tuple[int, int, int]], cut: int
) -> None:
    at_once = late(Latest(), *all_rows)
    latest = Latest()
    in_two = late(latest, *all_rows[:cut]) + late(latest, *all_rows[cut:])

    assert in_two == at_once
