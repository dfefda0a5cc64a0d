"""Everything is down for an hour: the history is complete, and people get one summary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest

from fleetpulse.alerts import State
from fleetpulse.clock import ManualClock
from fleetpulse.delivery.loop import Delivering
from fleetpulse.health import Health
from fleetpulse.metrics import DeliveryMetrics, new_registry
from fleetpulse.policy import OLD_MS
from fleetpulse.stores.protocols import Store
from fleetpulse.watch import Watch
from tests.faults.fleet import CADENCE_MS, Fleet
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene, opened
from tests.services.kafka import Kafka
from tests.unit.delivery.bench import ADA, FakeSender

pytestmark = pytest.mark.integration

HOUR_READINGS = 3_600_000 // CADENCE_MS  # of a device
CATCHES_UP_S = 120.0


@contextmanager
def a_bot(url: str, sender: FakeSender, clock: ManualClock) -> Iterator[Delivering]:
    """The delivering half of a bot, which knows only what is stored."""
    health = Health()
    with opened(url) as store:
        yield Delivering(
            kind="telegram",
            store=store,
            sender=sender,
            clock=clock,
            chart=lambda _store, _event: None,
            listed=(ADA,),
            watch=Watch("bot", store, clock),
            health=health,
            metrics=DeliveryMetrics(new_registry("bot", health)),
        )


def test_everything_is_down_for_an_hour_and_comes_back(
    kafka: Kafka, sampled_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    scene = sampled_scene
    spooled = HOUR_READINGS * fleet.devices
    with report.row(Fault.ALL_DOWN, scene.backend, "broker, consumer and bot, once") as row:
        sender, clock = FakeSender(), ManualClock(fleet.until_ms - OLD_MS)
        with a_bot(scene.url, sender, clock) as bot:
            bot.step()  # it has been here before
        kafka.restart()
        scene.member().start()

        # The agents had kept their hour, and publish it as fast as they can.
        with scene.load(islice(fleet.records, spooled)) as load:
            seconds = scene.consume_all(load, CATCHES_UP_S)

        verdict = scene.verdict(load, undisturbed)
        with opened(scene.url) as store:
            states = {stored.event.state for stored in store.alerts.stored_since(0)}
        clock.advance(2 * OLD_MS / 1000)
        with a_bot(scene.url, sender, clock) as bot:
            bot.step()
            clock.advance(60)
            bot.step()
        row.found = f"{verdict}; caught up in {seconds:.1f} s, {len(sender.sent)} message"
        assert load.published == spooled
        assert not verdict.faults, verdict.faults
        assert State.OFFLINE not in states
        assert len(sender.sent) == 1
