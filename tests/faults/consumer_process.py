"""The real consumer, with faults inside it: `python -m tests.faults.consumer_process hardware`.

It is `python -m consumer`, with the same settings, and what `Inside` says in the environment
variable FAULTS_INSIDE (JSON).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import msgspec
from confluent_kafka import Consumer

import consumer.source
import fleetpulse.stores
from consumer.app import Hardware
from consumer.pipeline import Pipeline, _Flight
from fleetpulse.stores.dynamodb_client import Dynamo
from fleetpulse.stores.protocols import Scored, Store
from fleetpulse.stores.sql_postgres import PostgresDatabase
from fleetpulse.stores.sql_sqlite import SqliteDatabase

STEPS = ("read", "staged", "lettered", "saving", "written", "committed")
VARIABLE = "FAULTS_INSIDE"
COMMIT_S = 0.3  # the client sends a commit in a thread of its own


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong inside the consumer.

    A step is one of STEPS, and counted once readings have been saved, since a consumer that is
    still joining its group goes through the same steps with nothing. `saving` is in the middle of a
    save: readings are inserted, their alerts are not.
    """

    die_at: str | None = None  # a step
    die_after: int = 1  # how often it is reached
    slow_at: str | None = None  # a step
    slow_after: int = 1
    slow_s: float = 0.0
    client: dict[str, Any] = {}  # over the settings of the Kafka client
    commits_first: bool = False  # a broken product: commits what is not written yet
    drops_events: bool = False  # a broken product: saves readings without their events


class Steps:
    """Counts the steps of the pipeline, and does there what is to be done."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._counts: Counter[str] = Counter()

    def reached(self, name: str) -> None:
        """Be told of a step."""
        if name != "saving" and not self._counts["saving"]:
            return
        self._counts[name] += 1
        if name == self._inside.slow_at and self._counts[name] == self._inside.slow_after:
            time.sleep(self._inside.slow_s)
        if name == self._inside.die_at and self._counts[name] == self._inside.die_after:
            if name == "committed":
                time.sleep(COMMIT_S)
            os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Be the consumer; its exit code."""
    inside = msgspec.json.decode(os.environ.get(VARIABLE, "{}"), type=Inside)
    steps = Steps(inside)
    _tell_steps(steps)
    _tell_saves(steps)
    _change_client(inside.client)
    if inside.commits_first:
        _commit_first()
    if inside.drops_events:
        _drop_events()
    from consumer.__main__ import main as consume  # after the changes

    return consume(arguments)


def _tell_steps(steps: Steps) -> None:
    run = Hardware.run

    def with_steps(self: Hardware, stop: threading.Event, *_: object) -> None:
        run(self, stop, steps.reached)

    patch.object(Hardware, "run", with_steps).start()


def _tell_saves(steps: Steps) -> None:
    """Make it a step that readings are inserted but not committed yet, or some of them written."""
    for owner, method in (
        (SqliteDatabase, "add_readings"),
        (PostgresDatabase, "add_readings"),
        (Dynamo, "_write_some"),
    ):
        _tell_of(owner, method, steps)


def _tell_of(owner: type, method: str, steps: Steps) -> None:
    done = getattr(owner, method)

    def told(self: object, *arguments: Any) -> None:
        done(self, *arguments)
        steps.reached("saving")

    patch.object(owner, method, told).start()


def _change_client(changes: dict[str, Any]) -> None:
    def changed(config: dict[str, Any]) -> Consumer:
        return Consumer(config | changes)

    if changes:
        patch.object(consumer.source, "Consumer", changed).start()


def _commit_first() -> None:
    """Break the product: commit a batch before it is written."""
    make, start = Pipeline.__init__, _Flight.start
    sources: list[Any] = []

    def made(self: Pipeline, source: Any, *rest: Any, **more: Any) -> None:
        sources.append(source)
        make(self, source, *rest, **more)

    def started(self: _Flight, writer: ThreadPoolExecutor) -> None:
        sources[-1].commit(self.batch)
        sources[-1]._send_commit(at_once=True)
        time.sleep(COMMIT_S)
        start(self, writer)

    patch.object(Pipeline, "__init__", made).start()
    patch.object(_Flight, "start", started).start()


def _drop_events() -> None:
    """Break the product: nothing comes into the outbox."""
    opened = fleetpulse.stores.open_store

    def open_store(*address: Any, **more: Any) -> Store:
        store = opened(*address, **more)
        save = store.save

        def saved(scored: Scored) -> None:
            save(Scored(rows=scored.rows, new_devices=scored.new_devices, states=scored.states))

        patch.object(store, "save", saved).start()
        return store

    patch.object(fleetpulse.stores, "open_store", open_store).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
