"""Deliveries in numbers, and how the bot says that it is not well."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry

from fleetpulse.delivery.measures import COUNT_MS, Measures
from fleetpulse.errors import NotifyError, StoreError
from fleetpulse.metrics import DeliveryMetrics
from tests.contracts.builders import NOON, an_event
from tests.unit.delivery.bench import Bench

SENT, FAILED = (
    "fleetpulse_delivery_sent_messages_total",
    "fleetpulse_delivery_failed_messages_total",
)
POSTPONED = "fleetpulse_delivery_postponed_messages_total"


def number(bench: Bench, name: str) -> float | None:
    return bench.registry.get_sample_value(name)


def test_a_message_is_counted_and_timed_from_the_events_storing_on(bench: Bench) -> None:
    bench.happen(an_event(at=NOON))

    bench.later(3)

    assert number(bench, SENT) == 1
    assert number(bench, "fleetpulse_delivery_seconds_sum") == 3


def test_what_waits_is_counted_with_the_chats_that_make_it_wait(bench: Bench) -> None:
    bench.sender.refusals["1"] = NotifyError("slow down", retry_after_s=40)
    bench.happen(an_event(device_id="a", at=NOON), an_event(device_id="b", at=NOON))

    for _ in range(11):
        bench.later(1)

    assert number(bench, POSTPONED) == 1
    assert number(bench, "fleetpulse_delivery_queued_deliveries") == 2
    assert number(bench, "fleetpulse_delivery_waiting_chats") == 1


def test_several_loops_on_the_same_metrics_add_up() -> None:
    metrics = DeliveryMetrics(registry := CollectorRegistry())
    one, other = Measures(metrics), Measures(metrics)

    one.queue(NOON, lambda: 5, 1)
    other.queue(NOON, lambda: 3, 1)
    one.queue(NOON + COUNT_MS, lambda: 2, 0)

    assert registry.get_sample_value("fleetpulse_delivery_queued_deliveries") == 5
    assert registry.get_sample_value("fleetpulse_delivery_waiting_chats") == 1


def test_a_message_that_is_given_up_is_counted(bench: Bench) -> None:
    bench.sender.refusals["1"] = NotifyError("blocked", permanent=True)
    bench.happen(an_event(at=NOON))

    bench.later(1)

    assert number(bench, FAILED) == 1


def test_a_store_that_is_away_is_a_problem_until_it_is_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    seen: list[dict[str, str]] = []
    answers = iter([StoreError("The store is away."), None])

    def step() -> None:
        seen.append(dict(bench.health.problems()))
        problem = next(answers, None)
        if problem is not None:
            raise problem
        if len(seen) == 3:
            stop.set()

    monkeypatch.setattr(bench.process, "step", step)
    bench.process.run(stop)

    assert seen == [{}, {"store": "The store is away."}, {}]


def test_what_was_sent_is_recorded_though_the_store_fails_while_it_is_to_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = an_event(at=NOON)
    bench.happen(event)
    stop, update = threading.Event(), bench.store.deliveries.update
    failures = iter([StoreError("away")] * 3)

    def fail_first(delivery: object) -> None:
        stop.set()
        problem = next(failures, None)
        if problem is not None:
            raise problem
        update(delivery)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store.deliveries, "update", fail_first)
    bench.process.run(stop)

    assert len(bench.sender.sent) == 1
    assert bench.delivery_of(event).progress == "sent"
