"""Once a day each device is looked at: what is normal for it, and whether it cools as it did."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from consumer.checkup import EVERY_MS, Checkup
from consumer.roster import Roster
from fleetpulse.alerts import Severity, State
from fleetpulse.clock import ManualClock
from fleetpulse.notices import Notices
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import BUCKET_MS, Resolution
from generators.simulated import PC
from generators.years import Clogging, hours_of
from model.normals import PERIOD_MS
from model.wear import DAY_MS
from tests.contracts.builders import NOON, a_device, a_reading, scored

BEGINS = NOON // 3_600_000 * 3_600_000
HOUR_MS = 3_600_000


@dataclass
class Learned:
    """What a predictor is told of devices."""

    told: list[tuple[int, int, Sequence[float], float]] = field(default_factory=list)

    def learn(self, slot: int, period: int, means: Sequence[float], periods: float) -> None:
        self.told.append((slot, period, means, periods))


@dataclass
class Bench:
    """A consumer's roster and store, and the look at them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: ManualClock = field(default_factory=ManualClock)
    learned: Learned = field(default_factory=Learned)
    roster: Roster = field(default_factory=Roster)

    def __post_init__(self) -> None:
        notices = Notices(self.store, self.clock)
        self.checkup = Checkup(self.store, self.roster, self.learned, notices, self.clock)

    def has(self, device_id: str, days: int, clogging: Clogging | None = None) -> None:
        """Hours of a device are stored, and it is in the roster."""
        self.roster.slot(device_id, "pc", ("telemetry.pc", 0))
        hours = list(hours_of(PC, days, random.Random(device_id), clogging))
        readings = [
            a_reading(
                device_id,
                at=BEGINS + HOUR_MS * hour.number,
                seq=hour.number,
                temperature_c=hour.temperature_c,
                load_pct=hour.load_pct,
            )
            for hour in hours
        ]
        device = a_device(device_id, kind="pc", first_seen_at=BEGINS)
        self.store.save(scored(*readings, new_devices=[device]))
        buckets = [(device_id, reading.measured_at) for reading in readings]
        for resolution in (Resolution.MINUTE, Resolution.HOUR):
            self.store.roll(resolution, buckets)
        self.clock.advance(max(0, BEGINS + days * DAY_MS - self.clock.now_ms()) / 1000)

    def look(self) -> None:
        self.checkup.look(threading.Event())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_clogging_fan_raises_one_notice_of_low_priority(bench: Bench) -> None:
    bench.has("pc-hot", 120, Clogging(from_day=40, until_day=60, health=0.2))
    bench.has("pc-cool", 120)

    for _ in range(3):
        bench.look()
        bench.clock.advance(EVERY_MS / 1000)

    (alert,) = bench.store.alerts.page()
    assert (alert.device_id, alert.kind, alert.rule) == ("pc-hot", "pc", "cooling")
    assert alert.severity is Severity.INFO
    assert "hotter under load than in its first weeks" in alert.causes[0]


def test_a_cleaned_fan_ends_it(bench: Bench) -> None:
    bench.has("pc-1", 120, Clogging(from_day=40, until_day=60, health=0.2))
    bench.look()
    cleaned = Bench(store=bench.store, clock=bench.clock)
    cleaned.has("pc-1", 160)

    cleaned.look()

    states = [stored.event.state for stored in bench.store.alerts.stored_since(0)]
    assert states == [State.STRESSED, State.RECOVERED]


def test_the_first_weeks_are_those_that_the_store_still_has(bench: Bench) -> None:
    bench.has("pc-1", 200, Clogging(from_day=110, until_day=130, health=0.2))
    bench.store.prune(Resolution.HOUR, BEGINS + 60 * DAY_MS)

    bench.look()

    (alert,) = bench.store.alerts.page()
    assert alert.rule == "cooling"


def test_a_young_device_is_not_judged_but_its_normal_is_learned(bench: Bench) -> None:
    bench.has("pc-1", 3)

    bench.look()

    assert not bench.store.alerts.page()
    ((slot, period, means, periods),) = bench.learned.told
    assert slot == 0
    assert period == (BEGINS + 3 * DAY_MS) // PERIOD_MS
    assert 5 < means[0] < 60
    assert periods == 48 * 12


def test_a_device_whose_only_hour_began_before_it_did_is_looked_at(bench: Bench) -> None:
    bench.roster.slot("pc-1", "pc", ("telemetry.pc", 0))
    at = BEGINS + HOUR_MS // 3
    reading = a_reading("pc-1", at=at, seq=1, temperature_c=40.0, load_pct=5.0)
    bench.store.save(scored(reading, new_devices=[a_device("pc-1", kind="pc", first_seen_at=at)]))
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        bench.store.roll(resolution, [("pc-1", at - at % BUCKET_MS[resolution])])
    bench.clock.advance(max(0, BEGINS + 2 * HOUR_MS - bench.clock.now_ms()) / 1000)

    bench.look()

    assert len(bench.learned.told) == 1


def test_a_device_is_looked_at_once_a_day(bench: Bench) -> None:
    bench.has("pc-1", 3)

    bench.look()
    bench.look()
    assert len(bench.learned.told) == 1
    bench.clock.advance(EVERY_MS / 1000)
    bench.look()

    assert len(bench.learned.told) == 2


def test_a_device_that_is_not_stored_yet_is_looked_at_later(bench: Bench) -> None:
    bench.roster.slot("pc-new", "pc", ("telemetry.pc", 0))

    bench.look()
    bench.has("pc-new", 2)
    bench.look()

    assert len(bench.learned.told) == 1
