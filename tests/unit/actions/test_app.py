"""The notifier at work: a channel that hangs or is away holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from fleetpulse.actions import app
from fleetpulse.actions.app import Notifying, forget_others
from fleetpulse.channel_tests import ask_for
from fleetpulse.clock import SystemClock
from fleetpulse.delivery.readers import follow
from fleetpulse.errors import FleetpulseError, NotifyError
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Delivery, Progress
from fleetpulse.watch import STOPPED, Watch
from tests.contracts.builders import an_event, told
from tests.unit.actions.builders import FakeChannel


class Bench:
    """A store, and channels called quick and slow."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), SystemClock()
        self.quick, self.slow = FakeChannel(), FakeChannel()
        self.failed: list[Exception] = []

    @contextmanager
    def at_work(self) -> Iterator[threading.Event]:
        """The notifier, for the length of a block; gives what stops it."""
        notifying = Notifying(
            {"quick": self.quick, "slow": self.slow},
            store=self.store,
            clock=self.clock,
            health=Health(),
            metrics=DeliveryMetrics(CollectorRegistry()),
            watch=Watch("notify", self.store, self.clock),
        )
        stop = threading.Event()

        def serve() -> None:
            try:
                notifying.serve(stop)
            except FleetpulseError as problem:
                self.failed.append(problem)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield stop
        finally:
            stop.set()
            serving.join()
            self.slow.goes_on.set()

    def happen(self, device_id: str) -> None:
        now = self.clock.now_ms()
        self.store.save(told(an_event(device_id=device_id, at=now), stored_at=now))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(app, "warm_up", lambda: None)
    monkeypatch.setattr(app, "chart_of", lambda _store, _event: None)
    monkeypatch.setattr(app, "DRAIN_S", 0.0)
    return Bench()


def arrived(channel: FakeChannel) -> str:
    """The next message of a channel."""
    assert channel.was_sent.acquire(timeout=30)
    return channel.sent[-1].events[0].device_id


def test_every_channel_is_told_of_an_event(bench: Bench) -> None:
    with bench.at_work():
        bench.happen("pi-1")

        assert arrived(bench.quick) == arrived(bench.slow) == "pi-1"


def test_a_channel_is_tried_while_the_notifier_delivers(bench: Bench) -> None:
    ask_for(bench.store, "notify:quick", asked_by="Ada", now_ms=bench.clock.now_ms())

    with bench.at_work():
        assert arrived(bench.quick) == "example"

    assert bench.slow.sent == []


def test_a_channel_that_hangs_holds_up_no_other(bench: Bench) -> None:
    bench.slow.goes_on.clear()
    with bench.at_work():
        for device in ("pi-1", "pi-2", "pi-3"):
            bench.happen(device)
            assert arrived(bench.quick) == device

    assert bench.slow.sent == []


def test_what_a_channel_did_not_get_waits_for_the_next_start(bench: Bench) -> None:
    bench.slow.refusal = NotifyError("it is away", retry_after_s=0.001)
    with bench.at_work():
        bench.happen("pi-1")
        arrived(bench.quick)
    bench.slow.refusal = None

    with bench.at_work():
        assert arrived(bench.slow) == "pi-1"

    assert len(bench.quick.sent) == 1


def test_a_message_that_is_refused_for_good_leaves_the_channel_at_work(bench: Bench) -> None:
    bench.slow.refusal = NotifyError("no", permanent=True, only_message=True)
    with bench.at_work():
        bench.happen("pi-1")
        arrived(bench.quick)
        until_failed(bench.store)
        bench.slow.refusal = None
        bench.happen("pi-2")

        assert arrived(bench.slow) == "pi-2"


def until_failed(store: MemoryStore) -> None:
    """Wait until the slow channel's first delivery is given up."""
    turn, clock = threading.Event(), SystemClock()
    (stored,) = store.alerts.stored_since(0)
    event_id = stored.event.event_id
    while all(each.error is None for each in store.deliveries.of_events([event_id])):
        clock.wait(0.01, turn)


def test_an_orderly_stop_is_the_last_heartbeat(bench: Bench) -> None:
    with bench.at_work():
        bench.happen("pi-1")
        arrived(bench.quick)

    (beat,) = bench.store.heartbeats.all()
    assert (beat.process, beat.detail) == ("notify", STOPPED)


def test_a_loop_that_breaks_ends_the_process_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_since: int, **_limits: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.store.alerts, "stored_since", broken)
    with bench.at_work() as stop:
        assert stop.wait(30)

    assert "ZeroDivisionError" in str(bench.failed[0])


def test_a_channel_that_is_set_no_more_is_ended_with_what_waits_for_it() -> None:
    store = MemoryStore()
    for target in ("notify:old", "notify:older", "notify:kept", "telegram:1"):
        follow(store, target, "", 1)
        store.deliveries.plan("all", [Delivery(event_id="e", target=target, due_at=5)], 1)

    forget_others(store, ["notify:kept", "notify:older"])

    active = [chat.chat_id for chat in store.chats.active()]
    progress = {each.target: each.progress for each in store.deliveries.of_events(["e"])}
    assert active == ["notify:kept", "notify:older", "telegram:1"]
    assert progress.pop("notify:old") is Progress.FAILED
    assert set(progress.values()) == {Progress.WAITING}
