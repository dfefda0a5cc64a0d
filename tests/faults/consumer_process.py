"""The real hardware consumer as a process that kills itself at a step: for the fault tests.

usage: python -m tests.faults.consumer_process BOOTSTRAP STORE TOPIC GROUP [STEP NTH]
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from consumer.app import Hardware
from fleetpulse.clock import SystemClock
from fleetpulse.stores import open_store
from model.predictor import load_predictor


def main(bootstrap: str, store_url: str, topic: str, group: str, step: str, nth: int) -> None:
    """Consume until SIGTERM, or until `step` was reached `nth` times with work to do."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += name == step
        if reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    store = open_store(store_url)
    Hardware(
        kafka={"bootstrap.servers": bootstrap},
        topics=topic,
        group=group,
        batch_rows=200,
        batch_ms=200,
        store=store,
        predictor=load_predictor(None),
        clock=SystemClock(),
    ).run(stop, reach if step else None)
    store.close()


if __name__ == "__main__":
    bootstrap, store_url, topic, group, *failpoint = sys.argv[1:]
    step, nth = failpoint or ("", "0")
    main(bootstrap, store_url, topic, group, step, int(nth))
