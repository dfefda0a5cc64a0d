"""What every store promises of readings."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fleetpulse.alerts import Status
from fleetpulse.stores.protocols import Store, StoredReading
from fleetpulse.telemetry import CHANNELS
from tests.contracts.builders import NOON, SECOND, a_reading, scored

OLDER = NOON - SECOND
NEWER = NOON + SECOND


def at_times(*times: int) -> list[StoredReading]:
    return [a_reading(at=time) for time in times]


class ReadingStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_reading_comes_back_with_every_value_as_it_went_in(self, store: Store) -> None:
        values: dict[str, Any] = {
            channel.name: float(number) + 0.25 for number, channel in enumerate(CHANNELS, start=1)
        }
        full = a_reading(
            device_id="Pi_attic.2-b",
            **values,
            rejected=2,
            probability=0.75,
            expected_s=42.5,
            status=Status.SOON,
            causes=["temperature rises by 6 °C a minute", "Lüfter steht 🌀 'quoted'"],
            model_version="heat-2026-11-22",
        )

        store.save(scored(full))

        assert store.readings.latest("Pi_attic.2-b") == full

    def test_what_is_missing_comes_back_as_none(self, store: Store) -> None:
        bare = StoredReading(device_id="pi-1", measured_at=NOON, seq=0)

        store.save(scored(bare))

        assert store.readings.latest("pi-1") == bare
        assert bare.temperature_c is None
        assert bare.probability is None

    def test_zero_is_a_value(self, store: Store) -> None:
        cold = a_reading(temperature_c=0.0, fan_cfm=0.0, probability=0.0, expected_s=0.0)

        store.save(scored(cold))

        found = store.readings.latest("pi-1")
        assert found is not None
        assert (found.temperature_c, found.fan_cfm) == (0.0, 0.0)
        assert (found.probability, found.expected_s) == (0.0, 0.0)

    @pytest.mark.parametrize("status", list(Status))
    def test_every_status_comes_back(self, store: Store, status: Status) -> None:
        store.save(scored(a_reading(status=status)))

        found = store.readings.latest("pi-1")
        assert found is not None
        assert found.status is status

    def test_no_digit_of_a_number_is_lost(self, store: Store) -> None:
        store.save(scored(a_reading(temperature_c=math.pi, seq=2**53 + 1)))

        found = store.readings.latest("pi-1")
        assert found is not None
        assert (found.temperature_c, found.seq) == (math.pi, 2**53 + 1)

    def test_each_row_keeps_its_own_causes(self, store: Store) -> None:
        warned = a_reading(at=NEWER, causes=["load"])
        calm = a_reading()

        store.save(scored(warned, calm))

        assert store.readings.page("pi-1") == [calm, warned]

    def test_a_reading_that_exists_is_left_as_it_is(self, store: Store) -> None:
        first = a_reading(temperature_c=50.0)
        store.save(scored(first))

        store.save(scored(a_reading(temperature_c=99.0), a_reading(at=NEWER)))

        assert store.readings.page("pi-1") == [first, a_reading(at=NEWER)]
        assert store.readings.count() == 2

    def test_of_equal_readings_saved_at_once_the_first_stays(self, store: Store) -> None:
        store.save(scored(a_reading(load_pct=1.0), a_reading(load_pct=2.0)))

        assert store.readings.page("pi-1") == [a_reading(load_pct=1.0)]

    def test_a_batch_of_no_readings_changes_nothing(self, store: Store) -> None:
        store.save(scored())

        assert store.readings.count() == 0

    def test_latest_ignores_the_order_of_arrival(self, store: Store) -> None:
        newest = a_reading(at=NEWER, temperature_c=0.0)
        store.save(scored(newest))

        store.save(scored(a_reading()))

        assert store.readings.latest("pi-1") == newest

    def test_of_one_moment_the_higher_number_is_the_latest(self, store: Store) -> None:
        store.save(scored(a_reading(seq=10), a_reading(seq=9)))

        assert store.readings.latest("pi-1") == a_reading(seq=10)

    def test_a_device_without_readings_has_no_latest(self, store: Store) -> None:
        store.save(scored(a_reading()))

        assert store.readings.latest("pi") is None

    def test_latest_of_gives_the_newest_of_each_asked_for(self, store: Store) -> None:
        pi = a_reading("pi.1", at=NEWER)
        pc = a_reading("pc-1")
        store.save(scored(pi, pc, a_reading("pi.1"), a_reading("pi-2")))

        found = store.readings.latest_of(["pc-1", "pi.1", "nobody", "pc-1"])

        assert found == {"pi.1": pi, "pc-1": pc}

    def test_latest_of_a_moment_shared_by_two_readings_is_one(self, store: Store) -> None:
        # seq 5 at the older time must not be mistaken for the newest of the newer time
        store.save(scored(a_reading(at=OLDER, seq=5), a_reading(seq=3), a_reading(seq=4)))

        assert store.readings.latest_of(["pi-1"]) == {"pi-1": a_reading(seq=4)}

    def test_latest_of_nobody_is_empty(self, store: Store) -> None:
        store.save(scored(a_reading()))

        assert store.readings.latest_of([]) == {}

    def test_latest_of_ten_thousand_devices_is_one_question(self, store: Store) -> None:
        names = [f"pi-{number}" for number in range(10_000)]
        store.save(scored(*(a_reading(name) for name in names[:500])))

        assert len(store.readings.latest_of(names)) == 500

    def test_a_page_is_in_event_time_whatever_the_order_of_arrival(self, store: Store) -> None:
        store.save(scored(*at_times(NEWER, OLDER)))
        store.save(scored(*at_times(NOON)))

        assert store.readings.page("pi-1") == at_times(OLDER, NOON, NEWER)
        assert store.readings.page("pi-1", newest_first=True) == at_times(NEWER, NOON, OLDER)

    def test_a_page_holds_one_device_only(self, store: Store) -> None:
        store.save(scored(a_reading("pi-1"), a_reading("pi-10"), a_reading("PI-1")))

        assert store.readings.page("pi-1") == [a_reading("pi-1")]

    def test_since_is_included_and_until_is_not(self, store: Store) -> None:
        store.save(scored(*at_times(OLDER, NOON, NEWER)))

        assert store.readings.page("pi-1", since=NOON) == at_times(NOON, NEWER)
        assert store.readings.page("pi-1", until=NOON) == at_times(OLDER)
        assert store.readings.page("pi-1", since=OLDER, until=NEWER) == at_times(OLDER, NOON)
        assert store.readings.page("pi-1", since=NOON, until=NOON) == []

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_pages_after_one_another_give_everything_once(
        self, store: Store, newest_first: bool
    ) -> None:
        # several readings of one moment, so that a page ends between them
        readings = [a_reading(at=NOON + tick, seq=seq) for tick in range(3) for seq in range(4)]
        store.save(scored(*readings))

        paged: list[StoredReading] = []
        after: tuple[int, int] | None = None
        while page := store.readings.page("pi-1", after=after, limit=3, newest_first=newest_first):
            assert len(page) <= 3
            assert len(paged) < 100  # pages that go round and round never end
            paged.extend(page)
            after = (page[-1].measured_at, page[-1].seq)

        assert paged == (readings[::-1] if newest_first else readings)

    def test_a_page_continues_within_since_and_until(self, store: Store) -> None:
        store.save(scored(*at_times(OLDER, NOON, NEWER)))

        forward = store.readings.page("pi-1", since=NOON, after=(OLDER, 1))
        backward = store.readings.page("pi-1", until=NEWER, after=(NEWER, 1), newest_first=True)

        assert forward == at_times(NOON, NEWER)
        assert backward == at_times(NOON, OLDER)

    def test_a_page_continues_from_a_reading_that_is_not_there(self, store: Store) -> None:
        store.save(scored(*at_times(OLDER, NEWER)))

        assert store.readings.page("pi-1", after=(NOON, 0)) == at_times(NEWER)
        assert store.readings.page("pi-1", after=(NOON, 0), newest_first=True) == at_times(OLDER)

    def test_a_page_of_an_unknown_device_is_empty(self, store: Store) -> None:
        assert store.readings.page("nobody") == []

    def test_a_page_is_no_longer_than_its_limit(self, store: Store) -> None:
        store.save(scored(*at_times(*range(NOON, NOON + 150))))

        assert len(store.readings.page("pi-1")) == 100
        assert len(store.readings.page("pi-1", limit=1_000)) == 150
        assert store.readings.page("pi-1", limit=1) == at_times(NOON)

    def test_readings_are_counted_by_device_and_in_all(self, store: Store) -> None:
        store.save(scored(a_reading(), a_reading(at=NEWER), a_reading("pc-1")))

        assert store.readings.count("pi-1") == 2
        assert store.readings.count("nobody") == 0
        assert store.readings.count() == 3

    def test_impossible_values_are_counted_from_a_moment_on(self, store: Store) -> None:
        store.save(
            scored(
                a_reading(at=OLDER, rejected=4),
                a_reading(rejected=2),
                a_reading(at=NEWER, rejected=1),
                a_reading("pc-1", rejected=8),
            )
        )

        rejected = store.readings.rejected_since
        assert rejected(["pi-1", "pc-1", "nobody"], NOON) == {"pi-1": 3, "pc-1": 8}
        assert rejected(["pi-1"], OLDER) == {"pi-1": 7}
        assert rejected(["pi-1"], NEWER + 1) == {}
        assert rejected([], 0) == {}

    def test_devices_without_impossible_values_are_left_out(self, store: Store) -> None:
        store.save(scored(a_reading(), a_reading("pc-1", rejected=1)))

        assert store.readings.rejected_since(["pi-1", "pc-1", "pc-1"], 0) == {"pc-1": 1}
