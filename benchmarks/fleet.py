"""A fleet's readings as an agent would have sent them: simulated, encoded, in the order of time."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice

from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from fleetpulse import wire
from fleetpulse.telemetry import KINDS, Reading
from generators.loads import TRAINING_PROFILES, random_profile
from generators.simulated import TRAINING_RANGES, random_parameters
from generators.thermal import simulate

CADENCE_S = 5.0
Record = tuple[str, bytes]  # key, value


def recorded(*, devices: int, readings_each: int, seed: int = 1) -> list[Record]:
    """The last readings of a fleet until now, one every 5 s from each device."""
    with Progress(console=Console(stderr=True), transient=not sys.stderr.isatty()) as progress:
        numbers = progress.track(range(devices), description=f"simulating {devices} devices")
        fleet = [_life(number, readings_each, seed) for number in numbers]
    in_time = sorted(chain.from_iterable(fleet), key=lambda reading: reading.measured_at)
    return [(reading.device_id, wire.encode(reading)) for reading in in_time]


def _life(number: int, readings: int, seed: int) -> Sequence[Reading]:
    kind = KINDS[number % len(KINDS)]
    device_id = f"{kind}-{number:04d}"
    rng = random.Random(f"{seed}/{device_id}")
    life = simulate(
        random_parameters(kind, rng, TRAINING_RANGES),
        random_profile(rng, TRAINING_PROFILES),
        seconds=(readings + 1) * CADENCE_S,
        interval_s=CADENCE_S,
        seed=f"{seed}/{device_id}/sensors",
        device_id=device_id,
        begin_ms=round((time.time() - readings * CADENCE_S) * 1000) + rng.randrange(5_000),
        jitter=0.1,
    )
    return list(islice(life, readings))


def publish(records: Sequence[Record], bootstrap_servers: str, topic: str) -> None:
    """Put records into a topic and wait until they are safe."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 50, "log_level": 3})
    for key, value in records:
        while True:
            try:
                producer.produce(topic, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError("Kafka did not take all records within a minute")
