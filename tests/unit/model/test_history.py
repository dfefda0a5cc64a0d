"""However rows are cut into batches, each sees the same past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.features import FEATURES, Look, compute
from model.history import BUCKETS, WINDOW_S, Bools, Floats, History, Int64s, Windows
from tests.unit.model.builders import moments, one_device, rows


@dataclass(frozen=True)
class Stream:
    """Rows of several devices in the order of arrival."""

    slots: Int64s
    measured_at: Int64s
    values: Floats
    set_back: Bools

    def windows(self, history: History, part: slice) -> Windows:
        return history.windows(
            self.slots[part], self.measured_at[part], self.values[part], self.set_back[part]
        )

    def features(self, history: History, part: slice) -> Floats:
        windows = self.windows(history, part)
        look = Look(windows, np.zeros(len(windows)))
        limits = np.full(len(windows), 80.0)
        return np.hstack([compute(look, rule, limits) for rule in FEATURES])


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Interleaved devices, odd cadences, duplicates, long gaps and late rows."""
    steps = st.one_of(
        st.sampled_from([0, 1, 999, 5_000, 15_000, 120_000, 400_000]),
        st.integers(0, 40_000),
        st.integers(-90_000, -1),
        st.just(-400_000),
    )
    row = st.tuples(st.integers(0, 2), steps, st.sampled_from([False] * 9 + [True]))
    drawn = draw(st.lists(row, min_size=1, max_size=60))
    clocks = moments([1000.0, 1000.3, 5000.0])
    slots, times = [], []
    for slot, step, _ in drawn:
        clocks[slot] += step
        slots.append(slot)
        times.append(int(clocks[slot]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    temperature, load = rng.uniform(20, 90, len(drawn)), rng.uniform(0, 100, len(drawn))
    temperature[rng.random(len(drawn)) < 0.1] = np.nan
    load[rng.random(len(drawn)) < 0.1] = np.nan
    values = rows(len(drawn), temperature_c=temperature, load_pct=load, power_w=load / 20)
    set_back = np.array([back for _, _, back in drawn])
    return Stream(np.array(slots), np.array(times), values, set_back)


@settings(max_examples=150, deadline=None)
@given(stream=streams(), data=st.data())
def test_batches_of_any_size_give_the_same_features_to_the_last_bit(
    stream: Stream, data: st.DataObject
) -> None:
    count = len(stream.slots)
    cuts = sorted(data.draw(st.sets(st.integers(0, count), max_size=8)) | {0, count})

    at_once = stream.features(History(), slice(0, count))
    history = History(1)
    one_by_one = [stream.features(history, slice(row, row + 1)) for row in range(count)]
    history = History(2)
    in_batches = [
        stream.features(history, slice(start, stop))
        for start, stop in zip(cuts, cuts[1:], strict=False)
    ]

    np.testing.assert_array_equal(np.vstack(one_by_one), at_once)
    np.testing.assert_array_equal(np.vstack(in_batches), at_once)


@settings(max_examples=60, deadline=None)
@given(stream=streams(), data=st.data())
def test_a_history_that_is_refilled_after_a_restart_gives_the_same_features(
    stream: Stream, data: st.DataObject
) -> None:
    count = len(stream.slots)
    restart = data.draw(st.integers(0, count))
    before = History()
    stream.features(before, slice(0, restart))

    refilled = History()
    stream.windows(refilled, slice(0, restart))

    np.testing.assert_array_equal(
        stream.features(refilled, slice(restart, count)),
        stream.features(before, slice(restart, count)),
    )


def test_rows_older_than_the_window_change_nothing_after_a_restart() -> None:
    seconds = np.arange(0, 1000, 5.0)
    values = rows(200, temperature_c=np.linspace(40, 60, 200), load_pct=50.0)
    stream = Stream(np.zeros(200, np.int64), moments(seconds), values, np.zeros(200, np.bool_))
    whole = stream.features(History(), slice(0, 200))

    restarted = History()
    window = slice(150 - BUCKETS, 150)
    restarted.windows(stream.slots[window], stream.measured_at[window], stream.values[window])

    np.testing.assert_array_equal(stream.features(restarted, slice(150, 200)), whole[150:])


def test_the_newest_sample_of_a_bucket_is_the_one_that_later_rows_see() -> None:
    windows = one_device([0.0, 4.9, 2.0, 5.0], temperature_c=[1.0, 2.0, 3.0, 4.0])

    assert windows.past["temperature_c"][:2, 3].tolist() == [4.0, 2.0]
    assert windows.age_s[:2, 3].tolist() == pytest.approx([0.0, 0.1])


def test_a_row_sees_nothing_of_its_own_bucket() -> None:
    windows = one_device([0.0, 1.0, 2.0], temperature_c=[1.0, 2.0, 3.0])

    assert np.count_nonzero(~np.isnan(windows.age_s), axis=0).tolist() == [1, 1, 1]


def test_a_late_row_is_put_in_its_own_place() -> None:
    windows = one_device([0.0, 20.0, 10.0, 25.0], temperature_c=[1.0, 3.0, 2.0, 4.0])

    assert windows.past["temperature_c"][[0, 1, 3, 5], 3].tolist() == [4.0, 3.0, 2.0, 1.0]
    assert windows.past["temperature_c"][[0, 2], 2].tolist() == [2.0, 1.0]


def test_a_row_looks_back_no_farther_than_the_window() -> None:
    windows = one_device([0.0, 5.0, 5.0 + WINDOW_S - 5, 5.0 + WINDOW_S], temperature_c=1.0)

    assert np.nanmax(windows.age_s, axis=0).tolist() == [0, 5, WINDOW_S - 5, 5]


def test_a_row_older_than_the_whole_window_sees_only_itself_and_is_not_kept() -> None:
    windows = one_device([0.0, 1000.0, 5.0, 1005.0], temperature_c=[1.0, 2.0, 3.0, 4.0])

    assert np.count_nonzero(~np.isnan(windows.age_s), axis=0).tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("late_s", [1001.0, 1000.0 - WINDOW_S])
def test_a_late_row_never_replaces_a_newer_one(late_s: float) -> None:
    history, slot = History(), np.array([0])
    for second, temperature in ((1002.0, 50.0), (late_s, 20.0)):
        history.windows(slot, moments([second]), rows(1, temperature_c=temperature))

    windows = history.windows(slot, moments([1005.0]), rows(1, temperature_c=60.0))

    assert windows.past["temperature_c"][:2, 0].tolist() == [60.0, 50.0]


def test_a_forgotten_slot_starts_empty_for_the_next_device() -> None:
    history = History()
    slot, other = np.array([3]), np.array([4])
    history.windows(slot, moments([0]), rows(1, temperature_c=90.0))
    history.windows(other, moments([0]), rows(1, temperature_c=50.0))

    history.forget(np.array([3, 999]))

    assert np.isnan(history.windows(slot, moments([5]), rows(1)).age_s[1:]).all()
    assert history.windows(other, moments([5]), rows(1)).age_s[1, 0] == 5.0


def test_no_rows_are_no_work() -> None:
    nothing = np.empty(0, np.int64)

    windows = History().windows(nothing, nothing, rows(0))

    assert len(windows) == 0
    assert windows.age_s.shape == (BUCKETS, 0)


def test_a_device_costs_less_than_12_kilobytes() -> None:
    assert History().bytes_per_device <= 12_000


def test_after_a_clock_was_set_back_a_device_begins_anew() -> None:
    at = moments([5000.0, 5005.0, 1400.0, 1405.0, 1395.0, 5010.0])
    set_back = np.array([False, False, True, False, False, False])

    windows = History().windows(np.zeros(6, np.int64), at, rows(6, temperature_c=1.0), set_back)

    known = np.count_nonzero(~np.isnan(windows.age_s), axis=0)
    assert known.tolist() == [1, 2, 1, 2, 1, 1]


def test_without_saying_so_a_clock_that_was_set_back_is_late_for_an_hour() -> None:
    """Why it must be said: nothing in the times tells it from readings that arrive late."""
    windows = one_device([5000.0, 1400.0, 1405.0], temperature_c=1.0)

    assert np.count_nonzero(~np.isnan(windows.age_s), axis=0).tolist() == [1, 1, 1]


def test_a_clock_that_was_set_back_is_nothing_to_other_devices() -> None:
    slots, set_back = np.array([0, 1, 0, 1]), np.array([False, False, True, False])
    at = moments([5000.0, 5000.0, 1400.0, 5005.0])

    windows = History().windows(slots, at, rows(4, temperature_c=1.0), set_back)

    assert np.count_nonzero(~np.isnan(windows.age_s), axis=0).tolist() == [1, 1, 1, 2]
