"""How long it takes from a reading to the call at the Bot API, at 2,000 readings a second.

`python -m benchmarks.alert_latency [--alerts 60] [--batch-ms 200]`

1,000 PCs send to Apache Kafka, the consumer stores into SQLite, the bot tells one chat of a Bot
API in a process of its own. One PC after the other reports a temperature past its limit, so that
each is told of alone. Counted is the time from just before that reading is published to the
arrival of the call that says so, and where it goes: until the event is in the outbox, and from
there on.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from benchmarks.bot_api import BotApi, bot, bot_api
from bot.simulator import LOCAL_CHAT_ID
from fleetpulse import wire
from fleetpulse.alerts import State, event_id
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Store
from fleetpulse.telemetry import Reading
from tests.integration.processes import running, stopped
from tests.services.kafka import JARS, Kafka
from tests.services.maven import jars
from tests.services.missing import Unavailable

DEVICES = 1_000
RATE_S = 2_000  # readings a second, of all
PARTITIONS = 4
TICK_S = 0.01
CALM_S = 20.0  # everybody is known, and charts can be drawn, before the first one gets hot
BETWEEN_S = (1.4, 2.4)  # no more than three within three seconds: they would be told of together
LAST_S = 6.0  # for the last messages to come
COOL_C, HOT_C = 55.0, 97.0
WORDS = "is stressed"


class Fleet:
    """The PCs: each sends twice a second, and from a certain moment on is too hot."""

    def __init__(self, bootstrap_servers: str, topic: str, alerts: int) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "linger.ms": 5, "log_level": 3}
        )
        self._topic = topic
        self._rng = random.Random(7)
        self._sent = 0
        self.published_at: dict[str, int] = {}  # of each one's first hot reading, Unix ms
        at, self._hot_from_s = CALM_S, dict[int, float]()
        for device in self._rng.sample(range(DEVICES), alerts):
            self._hot_from_s[device] = at
            at += self._rng.uniform(*BETWEEN_S)
        self.lasts_s = at + LAST_S

    def live(self) -> float:
        """Send it all in real time; readings a second, as they were sent."""
        begin = time.monotonic()
        with Progress(console=Console(stderr=True), transient=not sys.stderr.isatty()) as progress:
            task = progress.add_task("PCs get hot", total=self.lasts_s)
            while (now_s := time.monotonic() - begin) < self.lasts_s:
                while self._sent < now_s * RATE_S:
                    self._send(now_s)
                self._producer.poll(0)
                progress.update(task, completed=now_s)
                time.sleep(TICK_S)
        took_s = time.monotonic() - begin
        self._producer.flush(10)
        return self._sent / took_s

    def _send(self, now_s: float) -> None:
        device = self._sent % DEVICES
        self._sent += 1
        hot = now_s >= self._hot_from_s.get(device, self.lasts_s)
        reading = Reading(
            device_id=name_of(device),
            kind="pc",
            measured_at=time.time_ns() // 1_000_000,
            seq=self._sent // DEVICES + 1,
            temperature_c=(HOT_C if hot else COOL_C) + self._rng.random(),
            load_pct=20 + 5 * self._rng.random(),
            clock_ghz=3.2,
        )
        if hot:
            self.published_at.setdefault(reading.device_id, reading.measured_at)
        self._producer.produce(self._topic, key=reading.device_id, value=wire.encode(reading))


def name_of(device: int) -> str:
    """What the device is called."""
    return f"pc-{device:04d}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--alerts", type=int, default=60)
    parser.add_argument("--batch-ms", type=int, default=200, help="FLEETPULSE_BATCH_MS (200)")
    arguments = parser.parse_args(argv)
    try:
        libraries = jars("kafka", *JARS)
    except Unavailable as problem:
        print(f"This needs Apache Kafka: {problem}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), libraries, arguments.alerts, arguments.batch_ms)
    return 0


def measure(folder: Path, libraries: Path, alerts: int, batch_ms: int) -> None:
    """Let the fleet live, and print how late the chat was told."""
    for part in ("kafka", "consumer"):
        (folder / part).mkdir()
    url = f"sqlite:///{folder / 'fleetpulse.db'}"
    with ExitStack() as opened:
        broker = opened.enter_context(Kafka(folder / "kafka", libraries))
        topic = broker.topic("telemetry.bench", partitions=PARTITIONS)
        environment = {
            "KAFKA_BROKER_SETTINGS": broker.bootstrap_servers,
            "FLEETPULSE_STORE": url,
            "FLEETPULSE_TOPICS": topic,
            "FLEETPULSE_BATCH_MS": str(batch_ms),
        }
        store = opened.enter_context(closing(open_store(url)))
        api = opened.enter_context(bot_api(folder / "api", [LOCAL_CHAT_ID]))
        opened.enter_context(bot(folder / "bot", api, url, [LOCAL_CHAT_ID]))
        consumer = opened.enter_context(
            running(["consumer", "hardware"], folder / "consumer", **environment)
        )
        fleet = Fleet(broker.bootstrap_servers, topic, alerts)
        rate_s = fleet.live()
        report(store, api, fleet, rate_s, batch_ms)
        stopped(consumer)


def report(store: Store, api: BotApi, fleet: Fleet, rate_s: float, batch_ms: int) -> None:
    """Print how long each part of the way took."""
    called_at = told_at(api)
    stored_at = {
        stored.event.event_id: stored.stored_at
        for stored in store.alerts.stored_since(0, limit=10 * DEVICES)
    }
    ways = [
        (published, stored_at[name], called_at[device])
        for device, published in fleet.published_at.items()
        if (name := event_id(device, "heat", 1, State.STRESSED)) in stored_at
        and device in called_at
    ]
    print(f"{rate_s:,.0f} readings/s, batches of up to {batch_ms} ms;", end=" ")
    print(f"told of {len(ways)} of {len(fleet.published_at)} PCs")
    if len(ways) < 2:
        return
    print(f"  {'seconds':<44}{'p50':>8}{'p95':>8}{'most':>8}")
    parts: Mapping[str, list[int]] = {
        "from the reading to the call": [called - published for published, _, called in ways],
        f"… beyond a batch wait of {batch_ms} ms": [
            called - published - batch_ms for published, _, called in ways
        ],
        "… until the event is in the outbox": [stored - published for published, stored, _ in ways],
        "… from there to the call": [called - stored for _, stored, called in ways],
    }
    for name, spans_ms in parts.items():
        cuts = statistics.quantiles(spans_ms, n=20, method="inclusive")
        row = (cuts[9], cuts[18], max(spans_ms))
        print(f"  {name:<44}" + "".join(f"{value / 1000:>8.2f}" for value in row))


def told_at(api: BotApi) -> Mapping[str, int]:
    """When (Unix ms) the call came that says of a device that it is stressed."""
    told: dict[str, int] = {}
    for call in api.calls():
        if WORDS in call.text:
            told.setdefault(call.text.split(WORDS)[0].split()[-1], call.at)
    return told


if __name__ == "__main__":
    sys.exit(main())
