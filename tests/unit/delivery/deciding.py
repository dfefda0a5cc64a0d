"""What people decide, put into the store of a bench."""

from __future__ import annotations

from fleetpulse.acknowledge import acknowledge
from fleetpulse.alerts import AlertEvent
from fleetpulse.people import People, Preferences, Snooze
from tests.contracts.builders import SECOND
from tests.unit.delivery.bench import ADA, Bench

MINUTE_S, HOUR_S = 60, 3_600


def people(bench: Bench) -> People:
    return People(bench.store.documents)


def prefer(bench: Bench, target: str = ADA, **fields: object) -> None:
    people(bench).preferences.put(target, Preferences(**fields))  # type: ignore[arg-type]


def snooze(bench: Bench, selector: str, seconds: int) -> None:
    until = bench.clock.now_ms() + seconds * SECOND
    people(bench).snoozes.put(selector, Snooze(until=until, said_by="Ada"))


def happen_one_by_one(bench: Bench, *events: AlertEvent) -> None:
    for event in events:
        bench.happen(event)
        bench.later(1)


def seen(bench: Bench, alert_id: str = "pi-1:heat:1") -> None:
    acknowledge(bench.store, alert_id, said_by="Ada", now_ms=bench.clock.now_ms())
