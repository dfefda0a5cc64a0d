"""Which buckets are named for rolling up, and when."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.roster import Roster
from consumer.stages.rollup import SILENT_MS, RollUp
from fleetpulse.clock import ManualClock
from fleetpulse.stores.protocols import Bucket, Resolution
from fleetpulse.telemetry import Reading
from tests.unit.consumer.builders import NOON, a_reading, decode

MINUTE, HOUR = Resolution.MINUTE, Resolution.HOUR
DAY_MS = 86_400_000
FULL_HOUR = NOON - NOON % 3_600_000 - 4 * 3_600_000


class Feeding:
    """A stage that is fed batches, and what it named."""

    def __init__(self, keep_ms: int = DAY_MS) -> None:
        self.roster, self.clock = Roster(), ManualClock(NOON)
        self._stage = RollUp(self.roster, self.clock, keep_ms)
        self.named: dict[Resolution, list[Bucket]] = {MINUTE: [], HOUR: []}

    def feed(self, *readings: Reading) -> dict[Resolution, list[Bucket]]:
        batch = self._stage(decode(*readings, roster=self.roster))
        for resolution, buckets in batch.closed.items():
            self.named[resolution].extend(buckets)
        return {resolution: list(found) for resolution, found in batch.closed.items()}


def at(minute: float, device: str = "pi-1") -> Reading:
    """A reading so many minutes after a full hour."""
    return a_reading(
        (FULL_HOUR - NOON) / 1000 + minute * 60, device=device, seq=round(minute * 100)
    )


def start(minute: int) -> int:
    return FULL_HOUR + minute * 60_000


def test_a_minute_is_over_when_its_device_goes_on_to_the_next() -> None:
    feeding = Feeding()

    assert feeding.feed(at(0.1), at(0.9))[MINUTE] == []
    assert feeding.feed(at(1.0))[MINUTE] == [("pi-1", start(0))]


def test_minutes_that_begin_and_end_within_a_batch_are_over() -> None:
    closed = Feeding().feed(at(0.5), at(1.5), at(2.5), at(0.7, "pi-2"))

    assert closed[MINUTE] == [("pi-1", start(0)), ("pi-1", start(1))]


def test_an_hour_is_over_with_its_last_minute() -> None:
    feeding = Feeding()
    feeding.feed(at(59.5))

    closed = feeding.feed(at(60.5))

    assert closed == {MINUTE: [("pi-1", start(59))], HOUR: [("pi-1", start(0))]}


def test_a_late_reading_names_its_old_minute_again() -> None:
    feeding = Feeding()
    feeding.feed(at(0.5), at(3.5))

    closed = feeding.feed(at(0.6), at(3.6))

    assert closed[MINUTE] == [("pi-1", start(0))]


def test_a_device_that_falls_silent_is_rolled_up_once() -> None:
    feeding = Feeding()
    feeding.feed(at(0.5))

    feeding.clock.advance(SILENT_MS / 1000)
    first = feeding.feed()
    feeding.clock.advance(SILENT_MS / 1000)

    assert first == {MINUTE: [("pi-1", start(0))], HOUR: [("pi-1", start(0))]}
    assert feeding.feed() == {MINUTE: [], HOUR: []}


def test_a_device_that_speaks_again_in_the_same_minute_is_rolled_up_again() -> None:
    feeding = Feeding()
    feeding.feed(at(0.5))
    feeding.clock.advance(SILENT_MS / 1000)
    feeding.feed()

    feeding.feed(at(0.8))

    assert feeding.feed(at(1.1))[MINUTE] == [("pi-1", start(0))]


def test_what_is_older_than_readings_are_kept_stays_as_it_is() -> None:
    feeding = Feeding(keep_ms=3_600_000)

    closed = feeding.feed(at(-120), at(0.5))

    assert closed[MINUTE] == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["pi-1", "pi-2", "pc-3"]), st.integers(-70, 130)),
            max_size=6,
        ),
        max_size=12,
    )
)
def test_every_bucket_is_named_after_its_last_reading(
    batches: Sequence[Sequence[tuple[str, int]]],
) -> None:
    feeding = Feeding()
    due: dict[Resolution, set[Bucket]] = {MINUTE: set(), HOUR: set()}
    for batch in batches:
        for device, minute in batch:
            due[MINUTE].add((device, start(minute)))
            due[HOUR].add((device, start(minute // 60 * 60)))
        closed = feeding.feed(*(at(minute, device) for device, minute in batch))
        for resolution in due:
            due[resolution] -= set(closed[resolution])

    assert all(
        len(open_ones) <= 3 for open_ones in due.values()
    )  # at most the open one of each device
    feeding.clock.advance(SILENT_MS / 1000)
    closed = feeding.feed()

    for resolution in due:
        assert set(closed[resolution]) == due[resolution]
