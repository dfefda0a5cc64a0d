"""Consume and decode, nothing else: the ceiling for any consumer of these records.

usage: python -m benchmarks.decode_only BROKERS TOPIC GROUP READINGS
Prints readings per second between the first batch and the last.
"""

from __future__ import annotations

import sys
import time

from confluent_kafka import Consumer

from fleetpulse import wire

BATCH_ROWS = 5_000
BATCH_S = 0.2


def main(brokers: str, topic: str, group: str, readings: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.subscribe([topic])
    missing = int(readings) - len(consumer.consume(1, 30))
    begin = time.perf_counter()
    while missing > 0:
        messages = consumer.consume(BATCH_ROWS, BATCH_S)
        for message in messages:
            wire.decode(message.value())
        missing -= len(messages)
    print((int(readings) - 1) / (time.perf_counter() - begin))
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
