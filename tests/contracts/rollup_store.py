"""What every store promises of rollups, and of giving up what is old."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fleetpulse.stores.protocols import Resolution, Rollup, Spread, Store
from fleetpulse.stores.rollups import DAY_MS
from tests.contracts.builders import NOON, SECOND, a_reading, scored

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def spread_of(*values: float) -> Spread:
    """These values in the order of time, and nothing else, in one bucket."""
    return Spread(
        count=len(values),
        min=min(values),
        max=max(values),
        mean=math.fsum(values) / len(values),
        last=values[-1],
    )


def a_rollup(device_id: str = "pi-1", at: int = NOON, *, count: int, **fields: Any) -> Rollup:
    """A minute, unless said otherwise."""
    known: dict[str, Any] = {"resolution": Resolution.MINUTE, "channels": {}}
    return Rollup(device_id=device_id, measured_at=at, count=count, **{**known, **fields})


def hot(at: int, temperature_c: float | None, **fields: Any) -> Any:
    """A reading of a temperature alone."""
    return a_reading(at=at, temperature_c=temperature_c, **{"load_pct": None, **fields})


def minutes_of(store: Store, device_id: str = "pi-1", **wanted: Any) -> list[Rollup]:
    return list(store.readings.rollups(device_id, Resolution.MINUTE, **wanted))


def hours_of(store: Store, device_id: str = "pi-1", **wanted: Any) -> list[Rollup]:
    return list(store.readings.rollups(device_id, Resolution.HOUR, **wanted))


class RollupStoreContract:
    """Subclass once per backend with a `store` fixture; add no tests there."""

    def test_a_minute_says_in_short_what_its_readings_say(self, store: Store) -> None:
        temperatures = (50.25, 48.5, 61.0, 55.75)
        store.save(
            scored(
                *(
                    a_reading(at=NOON + tick * SECOND, temperature_c=value, load_pct=20.0)
                    for tick, value in enumerate(temperatures)
                )
            )
        )

        store.roll(Resolution.MINUTE, [("pi-1", NOON)])

        assert minutes_of(store) == [
            a_rollup(
                count=4,
                channels={
                    "temperature_c": spread_of(*temperatures),
                    "load_pct": spread_of(20.0, 20.0, 20.0, 20.0),
                },
            )
        ]

    def test_rolling_again_counts_nothing_twice(self, store: Store) -> None:
        store.save(scored(hot(NOON, 50.0), hot(NOON + SECOND, 60.0)))

        for _ in range(3):
            store.roll(Resolution.MINUTE, [("pi-1", NOON), ("pi-1", NOON)])

        assert minutes_of(store) == [
            a_rollup(count=2, channels={"temperature_c": spread_of(50.0, 60.0)})
        ]

    def test_a_late_reading_is_counted_once_its_minute_is_rolled_again(self, store: Store) -> None:
        store.save(scored(hot(NOON + 30 * SECOND, 60.0)))
        store.roll(Resolution.MINUTE, [("pi-1", NOON)])
        before = minutes_of(store)

        store.save(scored(hot(NOON + SECOND, 40.0)))
        unchanged = minutes_of(store)
        store.roll(Resolution.MINUTE, [("pi-1", NOON)])

        assert unchanged == before
        assert minutes_of(store) == [
            a_rollup(count=2, channels={"temperature_c": spread_of(40.0, 60.0)})
        ]

    def test_a_minute_begins_with_its_first_moment_and_ends_before_the_next(
        self, store: Store
    ) -> None:
        edges = (NOON - 1, NOON, NOON + MINUTE - 1, NOON + MINUTE)
        store.save(scored(*(hot(at, float(place)) for place, at in enumerate(edges))))

        store.roll(Resolution.MINUTE, [("pi-1", NOON)])

        assert minutes_of(store) == [
            a_rollup(count=2, channels={"temperature_c": spread_of(1.0, 2.0)})
        ]

    def test_a_channel_that_no_reading_has_is_left_out(self, store: Store) -> None:
        store.save(scored(hot(NOON, None), hot(NOON + 1, None, load_pct=0.0)))

        store.roll(Resolution.MINUTE, [("pi-1", NOON)])

        assert minutes_of(store) == [a_rollup(count=2, channels={"load_pct": spread_of(0.0)})]

    def test_the_last_value_is_that_of_the_last_reading_that_has_it(self, store: Store) -> None:
        store.save(
            scored(
                hot(NOON + 2, None, load_pct=7.0),
                hot(NOON + 1, 52.0, seq=2),
                hot(NOON + 1, 51.0, seq=1),
                hot(NOON, 99.0, seq=9),
            )
        )

        store.roll(Resolution.MINUTE, [("pi-1", NOON)])

        (minute,) = minutes_of(store)
        assert minute.channels["temperature_c"] == spread_of(99.0, 51.0, 52.0)
        assert minute.channels["load_pct"].last == 7.0

    def test_a_rollup_has_the_worst_probability(self, store: Store) -> None:
        known = (0.0, 0.75, None, 0.5)
        store.save(scored(*(hot(NOON + tick, 50.0, probability=p) for tick, p in enumerate(known))))
        store.save(scored(hot(NOON + MINUTE, 50.0, probability=0.25)))
        store.save(scored(hot(NOON + 2 * MINUTE, 50.0)))

        buckets = [("pi-1", NOON + number * MINUTE) for number in range(3)]
        store.roll(Resolution.MINUTE, buckets)
        store.roll(Resolution.HOUR, [("pi-1", NOON)])

        assert [minute.probability for minute in minutes_of(store)] == [0.75, 0.25, None]
        assert [hour.probability for hour in hours_of(store)] == [0.75]

    def test_an_hour_is_made_of_its_minutes_each_by_its_weight(self, store: Store) -> None:
        later = NOON + 59 * MINUTE
        store.save(scored(*(hot(NOON + tick, 40.0) for tick in range(3)), hot(later, 80.0)))
        store.save(scored(hot(later + 1, None, load_pct=5.0), hot(NOON + HOUR, 10.0)))
        store.roll(Resolution.MINUTE, [("pi-1", NOON), ("pi-1", later), ("pi-1", NOON + HOUR)])

        store.roll(Resolution.HOUR, [("pi-1", NOON)])
        store.roll(Resolution.HOUR, [("pi-1", NOON)])

        assert hours_of(store) == [
            a_rollup(
                resolution=Resolution.HOUR,
                count=5,
                channels={
                    "temperature_c": spread_of(40.0, 40.0, 40.0, 80.0),
                    "load_pct": spread_of(5.0),
                },
            )
        ]

    def test_the_last_value_of_an_hour_is_that_of_the_last_minute_that_has_it(
        self, store: Store
    ) -> None:
        store.save(scored(hot(NOON, 41.0), hot(NOON + MINUTE, 42.0)))
        store.save(scored(hot(NOON + 2 * MINUTE, None, load_pct=5.0)))
        store.roll(Resolution.MINUTE, [("pi-1", NOON + n * MINUTE) for n in (2, 0, 1)])

        store.roll(Resolution.HOUR, [("pi-1", NOON)])

        (hour,) = hours_of(store)
        assert hour.channels["temperature_c"].last == 42.0

    def test_a_minute_rolled_again_changes_its_hour_when_that_is_rolled(self, store: Store) -> None:
        for value in (40.0, 60.0):
            store.save(scored(hot(NOON + int(value), value)))
            store.roll(Resolution.MINUTE, [("pi-1", NOON)])
            store.roll(Resolution.HOUR, [("pi-1", NOON)])

        (hour,) = hours_of(store)
        assert (hour.count, hour.channels["temperature_c"]) == (2, spread_of(40.0, 60.0))

    def test_a_bucket_with_nothing_below_it_is_not_made(self, store: Store) -> None:
        store.save(scored(hot(NOON, 50.0)))

        store.roll(Resolution.MINUTE, [("pi-1", NOON + MINUTE), ("nobody", NOON)])
        store.roll(Resolution.HOUR, [("pi-1", NOON)])
        store.roll(Resolution.MINUTE, [])

        assert minutes_of(store) == []
        assert hours_of(store) == []
        assert minutes_of(store, "nobody") == []

    def test_many_buckets_of_many_devices_are_rolled_at_once(self, store: Store) -> None:
        names = [f"pi-{number:03}" for number in range(100)]
        store.save(
            scored(
                *(
                    a_reading(name, at=NOON + minute * MINUTE, load_pct=float(place))
                    for place, name in enumerate(names)
                    for minute in range(3)
                )
            )
        )

        store.roll(
            Resolution.MINUTE,
            [(name, NOON + minute * MINUTE) for minute in range(3) for name in reversed(names)],
        )

        for place, name in enumerate(names):
            found = minutes_of(store, name)
            assert [minute.measured_at for minute in found] == [NOON, NOON + MINUTE, NOON + 120_000]
            assert {minute.channels["load_pct"].mean for minute in found} == {float(place)}

    def test_rollups_since_and_until(self, store: Store) -> None:
        self.five_minutes(store)

        def starts(**wanted: Any) -> list[int]:
            found = minutes_of(store, **wanted)
            return [(minute.measured_at - NOON) // MINUTE for minute in found]

        assert starts() == [0, 1, 2, 3, 4]
        assert starts(newest_first=True) == [4, 3, 2, 1, 0]
        assert starts(since=NOON + MINUTE, until=NOON + 3 * MINUTE) == [1, 2]
        assert starts(since=NOON + MINUTE + 1) == [2, 3, 4]
        assert starts(until=NOON) == []
        assert starts(limit=2) == [0, 1]
        assert minutes_of(store, "pi-10") == []

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_pages_of_rollups_give_every_one_once(self, store: Store, newest_first: bool) -> None:
        self.five_minutes(store)

        paged: list[int] = []
        after: int | None = None
        while page := minutes_of(store, after=after, limit=2, newest_first=newest_first):
            assert len(page) <= 2
            assert len(paged) < 100  # pages that go round and round never end
            paged.extend((minute.measured_at - NOON) // MINUTE for minute in page)
            after = page[-1].measured_at

        assert paged == ([4, 3, 2, 1, 0] if newest_first else [0, 1, 2, 3, 4])

    def five_minutes(self, store: Store) -> None:
        """Five minutes in a row of one device, rolled up."""
        starts = [NOON + number * MINUTE for number in range(5)]
        store.save(scored(*(hot(start, 50.0) for start in starts)))
        store.roll(Resolution.MINUTE, [("pi-1", start) for start in starts])

    def test_giving_up_keeps_what_is_not_old(self, store: Store) -> None:
        store.save(scored(hot(NOON, 50.0), hot(NOON + DAY_MS, 51.0)))
        store.roll(Resolution.MINUTE, [("pi-1", NOON), ("pi-1", NOON + DAY_MS)])
        store.roll(Resolution.HOUR, [("pi-1", NOON), ("pi-1", NOON + DAY_MS)])

        for resolution in Resolution:
            store.prune(resolution, NOON)
            store.prune(resolution, NOON)

        assert store.readings.count() == 2
        assert len(minutes_of(store)) == 2
        assert len(hours_of(store)) == 2


class PruneContract:
    """What stores promise that delete when they are told to, not by themselves."""

    TIMES = (0, NOON - 400 * DAY_MS, NOON - 2 * DAY_MS, NOON - DAY_MS, NOON)

    def fill(self, store: Store) -> None:
        """Readings, minutes and hours of two devices, of several days."""
        buckets = [(name, at - at % HOUR) for name in ("pi-1", "pc-1") for at in self.TIMES]
        store.save(scored(*(a_reading(name, at=at) for name, at in buckets)))
        store.roll(Resolution.MINUTE, buckets)
        store.roll(Resolution.HOUR, buckets)

    def kept(self, store: Store) -> tuple[int, int, int]:
        """How many readings, minutes and hours there are of one device."""
        return store.readings.count("pi-1"), len(minutes_of(store)), len(hours_of(store))

    def test_old_readings_are_given_up_and_nothing_else(self, store: Store) -> None:
        self.fill(store)

        store.prune(Resolution.RAW, NOON - DAY_MS)

        assert self.kept(store) == (2, 5, 5)
        assert store.readings.count() == 4
        assert store.readings.latest("pi-1") == a_reading(at=NOON)

    def test_old_minutes_are_given_up_and_nothing_else(self, store: Store) -> None:
        self.fill(store)

        store.prune(Resolution.MINUTE, NOON)

        assert self.kept(store) == (5, 1, 5)

    def test_old_hours_are_given_up_and_nothing_else(self, store: Store) -> None:
        self.fill(store)

        store.prune(Resolution.HOUR, NOON - DAY_MS)

        assert self.kept(store) == (5, 5, 2)

    def test_whole_days_are_given_up(self, store: Store) -> None:
        midnight = NOON - NOON % DAY_MS
        store.save(scored(a_reading(at=midnight - 1), a_reading(at=midnight)))

        store.prune(Resolution.RAW, NOON)

        assert store.readings.page("pi-1") == [a_reading(at=midnight)]

    def test_giving_up_everything_leaves_a_store_that_works(self, store: Store) -> None:
        self.fill(store)

        for _ in range(2):
            store.prune(Resolution.RAW, NOON + 10 * DAY_MS)

        assert store.readings.count() == 0
        assert store.readings.latest_of(["pi-1"]) == {}
        self.fill(store)
        assert self.kept(store) == (5, 5, 5)

    def test_a_rollup_outlives_its_readings(self, store: Store) -> None:
        self.fill(store)
        before = minutes_of(store), hours_of(store)
        store.prune(Resolution.RAW, NOON + DAY_MS)

        store.roll(Resolution.MINUTE, [("pi-1", NOON)])
        store.roll(Resolution.HOUR, [("pi-1", NOON)])

        assert (minutes_of(store), hours_of(store)) == before

    def test_a_day_that_was_given_up_takes_late_readings(self, store: Store) -> None:
        self.fill(store)
        store.prune(Resolution.RAW, NOON)

        store.save(scored(a_reading(at=NOON - 2 * DAY_MS)))

        assert store.readings.count("pi-1") == 2
