"""How long it takes from a reading to the message in the chat, through the whole local stack.

`python -m benchmarks.latency [--devices 40]`

`fleetpulse up --interval 1` runs with its own agents; beside them PCs send a reading a second each,
and one after the other reports a temperature past its limit. Counted is the time between that
reading's measured_at and the moment at which the chat has the message that the PC is stressed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from benchmarks.local_stack import LocalStack
from fleetpulse import wire
from fleetpulse.kafka import embedded_address, producer
from fleetpulse.telemetry import Reading

TOPIC = "telemetry.latency"
TICK_S = 0.02
CALM_S = 15.0  # everybody is known before the first one gets hot
BETWEEN_S = (1.5, 3.5)  # a chat is a place for news, not for floods
LAST_S = 15.0  # for the last messages to come
COOL_C, HOT_C = 55.0, 97.0
WORDS = "is stressed"


class Pc:
    """One PC of the measurement: a reading a second, hot from a certain moment on."""

    def __init__(self, number: int, rng: random.Random, hot_from_s: float) -> None:
        self.device_id = f"bench-{number:03d}"
        self.hot_at: int | None = None  # measured_at of its first hot reading
        self._rng, self._hot_from_s = rng, hot_from_s
        self._next_s = rng.random()
        self._seq = 0

    def send(self, to: Producer, now_s: float) -> None:
        """Send a reading if one is due."""
        if now_s < self._next_s:
            return
        self._next_s += 1.0
        self._seq += 1
        hot = now_s >= self._hot_from_s
        reading = Reading(
            device_id=self.device_id,
            kind="pc",
            measured_at=time.time_ns() // 1_000_000,
            seq=self._seq,
            temperature_c=(HOT_C if hot else COOL_C) + self._rng.random(),
            load_pct=20 + 5 * self._rng.random(),
            clock_ghz=3.2,
        )
        if hot and self.hot_at is None:
            self.hot_at = reading.measured_at
        to.produce(TOPIC, key=reading.device_id, value=wire.encode(reading))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--devices", type=int, default=40)
    arguments = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(Path(folder), interval_s=1.0) as stack,
    ):
        pcs = send_all(stack, arguments.devices)
        told_at = messages(stack)
    seconds = sorted(
        (told_at[pc.device_id] - pc.hot_at) / 1000
        for pc in pcs
        if pc.hot_at is not None and pc.device_id in told_at
    )
    if len(seconds) < 2:
        print("the chat was told of fewer than two PCs", file=sys.stderr)
        return 1
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    print(f"reading to chat message, {len(seconds)} of {len(pcs)} PCs:")
    print(f"  p50 {cuts[9]:.2f} s   p95 {cuts[18]:.2f} s   slowest {seconds[-1]:.2f} s")
    return 0


def send_all(stack: LocalStack, devices: int) -> list[Pc]:
    """Let the PCs live until the last one is hot and has been told of."""
    rng = random.Random(7)
    hot_from_s, pcs = CALM_S, []
    for number in range(devices):
        pcs.append(Pc(number, rng, hot_from_s))
        hot_from_s += rng.uniform(*BETWEEN_S)
    to = producer({"bootstrap.servers": embedded_address(stack.data)})
    lasts_s, begin = hot_from_s + LAST_S, time.monotonic()
    with Progress(console=Console(stderr=True), transient=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"{devices} PCs get hot", total=lasts_s)
        while (now_s := time.monotonic() - begin) < lasts_s:
            for pc in pcs:
                pc.send(to, now_s)
            to.poll(0)
            progress.update(task, completed=now_s)
            time.sleep(TICK_S)
    to.flush(10)
    return pcs


def messages(stack: LocalStack) -> Mapping[str, int]:
    """When (Unix ms) the chat was first told that a device is stressed."""
    told: dict[str, int] = {}
    for message in stack.get("/chat/messages")["items"]:
        if WORDS in message["text"]:
            device_id = message["text"].split(WORDS)[0].split()[-1]
            told.setdefault(device_id, message["at"])
    return told


if __name__ == "__main__":
    sys.exit(main())
