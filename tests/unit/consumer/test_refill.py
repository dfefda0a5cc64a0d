"""A restart reads back far enough, and not much further."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.refill import SPAN_MS, RefillMarks


def test_without_records_a_restart_begins_where_it_continues() -> None:
    assert RefillMarks().start(7) == 7


@given(st.lists(st.integers(0, 120_000), min_size=1, max_size=200))
def test_every_record_of_the_span_is_read_again(steps_ms: list[int]) -> None:
    marks, at, times = RefillMarks(), 0, []
    for offset, step in enumerate(steps_ms):
        at += step
        times.append(at)
        marks.note(offset, at)

    start = marks.start(len(times))

    assert all(offset >= start for offset, one in enumerate(times) if one >= at - SPAN_MS)


def test_records_far_before_the_span_are_not_read_again() -> None:
    marks = RefillMarks()
    for offset in range(10_000):
        marks.note(offset, offset * 5_000)

    assert 10_000 - marks.start(10_000) < SPAN_MS / 5_000 + 5
