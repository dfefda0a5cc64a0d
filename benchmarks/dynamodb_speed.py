"""How fast readings go into DynamoDB Local, who is busy meanwhile, and what AWS would charge.

python -m benchmarks.dynamodb_speed [reading|minute] [seconds]

Then one process after the other is added as a writer, until more of them write no more: the
machine, or DynamoDB Local, is saturated.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import psutil

from fleetpulse.alerts import Status
from fleetpulse.settings import Retention
from fleetpulse.stores.dynamodb import DynamoStore
from fleetpulse.stores.dynamodb_client import Item
from fleetpulse.stores.protocols import NO_ROWS, Rows, Scored
from fleetpulse.telemetry import CHANNELS
from tests.services.dynamodb import JARS, KEYS, DynamoDBLocal
from tests.services.maven import jars

# 4,000 readings are what 10,000 devices say in 2 s; of 1,000 devices they fill minutes sooner.
DEVICES, ROWS, INTERVAL_MS = 1_000, 4_000, 5_000
BATCHES = 30  # 10 minutes of event time
PREFIX = "speed"


WRITERS = (1, 2, 3, 4)


def a_batch(tick: int, now_ms: int, writer: int = 0) -> Scored:
    """Some readings of each device: sensors with one decimal, a probability with all digits.

    writer: whose devices they are.
    """
    chance = random.Random(tick)
    ticks = [tick * ROWS // DEVICES + n // DEVICES for n in range(ROWS)]
    known = {"requested_clock_ghz", "undervoltage"}  # a PC lacks some channels
    nan = float("nan")
    rows = Rows(
        device_ids=[f"pc{writer}-{n % DEVICES:05}" for n in range(ROWS)],
        measured_at=[now_ms + at * INTERVAL_MS + n % INTERVAL_MS for n, at in enumerate(ticks)],
        seq=[100_000 + at for at in ticks],
        channels=[
            [nan if channel.name in known else round(chance.uniform(0, 90), 1) for _ in range(ROWS)]
            for channel in CHANNELS
        ],
        rejected=[0] * ROWS,
        probability=[chance.random() for _ in range(ROWS)],
        expected_s=[nan] * ROWS,
        status=[Status.OK] * ROWS,
        causes={},
        model_version="heat-2026-11-22+overload-2026-11-22",
    )
    return Scored(rows=rows)


def bytes_of(item: Item) -> int:
    """What DynamoDB counts: names and values, https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    return sum(len(name) + _value_bytes(told) for name, told in item.items())


def _value_bytes(told: dict[str, object]) -> int:
    ((kind, content),) = told.items()
    if kind == "N":
        return len(str(content).replace(".", "").strip("0-")) // 2 + 2
    if kind == "B":
        return len(content)  # type: ignore[arg-type]
    return len(str(content).encode())


def sizes(server: DynamoDBLocal) -> None:
    """Print the mean size of each sort of item that lies there."""
    found: dict[str, list[tuple[int, int]]] = {}
    with closing(server.client()) as client:
        pages = client.get_paginator("scan").paginate(
            TableName=f"{PREFIX}-readings", PaginationConfig={"MaxItems": 2_000, "PageSize": 200}
        )
        for page in pages:
            for item in page["Items"]:
                minutes = any("." in name for name in item)
                sort = "chunk" if "rows" in item else "minute" if minutes else "reading"
                held = sum("." in name for name in item) if minutes else 1
                held = int(item["count"]["N"]) if "count" in item else held
                found.setdefault(sort, []).append((bytes_of(item), held))
    for sort, items in found.items():
        size, held = (sum(part) / len(items) for part in zip(*items, strict=True))
        print(f"{sort}: {len(items)} items, {size:.0f} bytes with {held:.1f} readings each")


def run(server: DynamoDBLocal, layout: str, seconds: float) -> None:
    """Save batch after batch for this long, and print what came of it."""
    client, local = psutil.Process(), psutil.Process(server.process_id)
    store = DynamoStore(server.url(PREFIX, layout=layout), aws=KEYS, retention=Retention())
    now_ms = (time.time_ns() // 60_000_000_000 - 12) * 60_000
    batches = [a_batch(tick, now_ms) for tick in range(BATCHES)]
    with closing(store):
        store.save(Scored(rows=NO_ROWS))
        busy = [_cpu_s(process) for process in (client, local)]
        begun, saved = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds and saved < len(batches):
            store.save(batches[saved])
            saved += 1
        took = time.perf_counter() - begun
        spent = [
            _cpu_s(process) - before for process, before in zip((client, local), busy, strict=True)
        ]
        print(
            f"{layout}: {saved * ROWS / took:,.0f} readings/s over {took:.1f} s;"
            f" CPU: client {spent[0] / took:.2f}, DynamoDB Local {spent[1] / took:.2f} cores"
            f" of {psutil.cpu_count()}, whole machine's load {psutil.getloadavg()[0]:.1f}"
        )
    if layout == "minute":  # another process moves what is over
        store = DynamoStore(server.url(PREFIX, layout=layout), aws=KEYS, retention=Retention())
        with closing(store):
            sizes(server)
            begun = time.perf_counter()
            store.save(Scored(rows=NO_ROWS))
            print(f"minutes moved in {time.perf_counter() - begun:.1f} s")
    sizes(server)
    server.drop(PREFIX)


def saturate(server: DynamoDBLocal, layout: str, seconds: float) -> None:
    """Print how many readings a second more and more writers save together."""
    for writers in WRITERS:
        local = psutil.Process(server.process_id)
        busy, idle = _cpu_s(local), psutil.cpu_times().idle
        begun = time.perf_counter()
        with ProcessPoolExecutor(writers, mp_context=get_context("spawn")) as pool:
            url = server.url(PREFIX, layout=layout)
            rates = list(pool.map(_rate, [url] * writers, range(writers), [seconds] * writers))
        took = time.perf_counter() - begun
        print(
            f"{layout}, {writers} writers: {sum(rates):,.0f} readings/s; DynamoDB Local"
            f" {(_cpu_s(local) - busy) / took:.2f} cores, idle"
            f" {(psutil.cpu_times().idle - idle) / took:.2f} of {psutil.cpu_count()}"
        )
        server.drop(PREFIX)


def _rate(url: str, writer: int, seconds: float) -> float:
    """Readings a second that one writer saves."""
    now_ms = (time.time_ns() // 60_000_000_000 - 12) * 60_000
    batches = [a_batch(tick, now_ms, writer) for tick in range(BATCHES)]
    with closing(DynamoStore(url, aws=KEYS, retention=Retention())) as store:
        store.save(Scored(rows=NO_ROWS))
        begun, saved = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            store.save(batches[saved % BATCHES])
            saved += 1
        return saved * ROWS / (time.perf_counter() - begun)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Run the layouts that were asked for."""
    layouts = sys.argv[1:2] or ["reading", "minute"]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    with (
        tempfile.TemporaryDirectory() as folder,
        DynamoDBLocal(Path(folder), jars("dynamodb", *JARS)) as server,
    ):
        for layout in layouts:
            run(server, layout, seconds)
            saturate(server, layout, seconds)


if __name__ == "__main__":
    main()
