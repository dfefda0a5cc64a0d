"""One device sends a hundred times as much: the others wait hardly longer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import KafkaError, Message

from fleetpulse import wire
from fleetpulse.stores.protocols import Store
from fleetpulse.telemetry import Reading
from tests.faults.conftest import Size
from tests.faults.fleet import CADENCE_MS, Fleet, Record
from tests.faults.load import Load
from tests.faults.report import Fault, Report
from tests.faults.stack import AHEAD, Group, Scene
from tests.faults.watching import repeatedly
from tests.services.kafka import Kafka

pytestmark = pytest.mark.integration

TIMES = 100
FLOODER = "flooder"
LOOK_S = 0.02
CAUGHT_UP_S = 30.0
WARM = 3_000  # records, with which the first batches and connections are over
MOST_TIMES_SLOWER = 2.0


class TimedLoad(Load):
    """A load that knows when each record of the others was acknowledged, and where it lies."""

    def __init__(self, scene: Scene, records: Iterator[Record], rate: float) -> None:
        servers, done = scene.kafka.bootstrap_servers, scene.group.committed
        super().__init__(servers, scene.topic, records, done=done, ahead=AHEAD, rate=rate)
        self.sent: list[tuple[int, int, float]] = []  # partition, offset, seconds

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        super()._delivered(error, message)
        key, partition, offset = message.key(), message.partition(), message.offset()
        if key != FLOODER.encode() and partition is not None and offset is not None:
            self.sent.append((partition, offset, time.monotonic()))


@contextlib.contextmanager
def commits_of(group: Group) -> Iterator[Sequence[tuple[float, Sequence[int]]]]:
    """When the group had committed how much of each partition, seen 50 times a second."""
    seen: list[tuple[float, Sequence[int]]] = []

    def look() -> None:
        offsets = group.offsets()
        seen.append((time.monotonic(), offsets))

    with repeatedly(look, LOOK_S):
        yield seen


def waits(load: TimedLoad, commits: Sequence[tuple[float, Sequence[int]]]) -> list[float]:
    """Seconds from a record's acknowledgement until it was stored and committed."""
    at = np.array([moment for moment, _ in commits])
    committed = np.array([offsets for _, offsets in commits])
    found = []
    for partition, offset, sent_at in load.sent[WARM:]:
        place = int(np.searchsorted(committed[:, partition], offset, side="right"))
        found.append(float(at[place]) - sent_at)
    return found


def with_a_flood(fleet: Fleet, ticks: int) -> Iterator[Record]:
    """The first ticks of the fleet, and after each device's reading some of one that floods."""
    number = 0
    begins_at = fleet.until_ms - fleet.ticks * CADENCE_MS
    for place, record in enumerate(islice(fleet.records, ticks * fleet.devices)):
        yield record
        while number * fleet.devices < place * TIMES:
            reading = Reading(
                device_id=FLOODER,
                kind="pc",
                measured_at=begins_at + number * CADENCE_MS // TIMES,
                seq=number,
                temperature_c=50.0,
                load_pct=20.0,
            )
            yield FLOODER, wire.encode(reading)
            number += 1


def p99_s(scene: Scene, records: Iterator[Record], rate: float) -> tuple[float, TimedLoad]:
    """What 99 of 100 readings of the others wait at most, and the load that they came with."""
    scene.member().start()
    scene.wait_until(lambda: bool(scene.group.shares()), CAUGHT_UP_S, "nobody joined")
    load = TimedLoad(scene, records, rate)
    with commits_of(scene.group) as commits, load:
        scene.consume_all(load, 4 * CAUGHT_UP_S)
        time.sleep(5 * LOOK_S)  # so that the last commit is seen
    return float(np.percentile(waits(load, commits), 99)), load


def test_a_device_that_sends_a_hundred_times_as_much(
    kafka: Kafka,
    stores: Path,
    scene: Scene,
    fleet: Fleet,
    undisturbed: Store,
    report: Report,
    size: Size,
) -> None:
    ticks, rate = size.of(45, 300), 1_000.0
    with report.row(Fault.ONE_DEVICE_FLOODS, scene.backend, f"{ticks} ticks, in step") as row:
        with contextlib.closing(Scene(kafka, stores)) as calm:
            calm_s, _ = p99_s(calm, islice(fleet.records, ticks * fleet.devices), rate)
        flooded_rate = rate * (1 + TIMES / fleet.devices)
        flooded_s, load = p99_s(scene, with_a_flood(fleet, ticks), flooded_rate)

        verdict = scene.verdict(load, undisturbed)
        others = [fault for fault in verdict.faults if not fault.startswith(FLOODER)]
        row.found = f"{verdict}; p99 of the others {calm_s:.2f} s calm, {flooded_s:.2f} s flooded"
        assert load.acknowledged[FLOODER] > (TIMES - 1) * (ticks - 1)
        assert not verdict.lost
        assert not others, others
        assert flooded_s <= MOST_TIMES_SLOWER * calm_s
