"""What will never be a reading ends as a dead letter, and costs no good reading anything."""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from fleetpulse import wire
from fleetpulse.errors import DecodeError
from fleetpulse.kafka import DEAD_LETTER_TOPIC
from fleetpulse.notices import OURSELVES, Matter
from fleetpulse.stores.protocols import Store
from tests.faults.conftest import Size
from tests.faults.fleet import Fleet, Record
from tests.faults.oracle import dead_letters, unique
from tests.faults.report import Fault, Report
from tests.faults.stack import Scene, opened
from tests.services.ports import free_ports

pytestmark = pytest.mark.integration

SHARE = 0.01
CAUGHT_UP_S = 60.0
REFUSED_S = 30.0
BETWEEN = 3_000  # records
POISONED = "poisoned"  # the device that sends nothing else


def fuzzed(value: bytes, rng: random.Random) -> bytes:
    """A record that was damaged until nothing can read it."""
    while True:
        damaged = bytearray(value)
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        if rng.random() < 0.1:
            del damaged[rng.randrange(len(damaged)) :]
        try:
            wire.decode(bytes(damaged))
        except DecodeError:
            return bytes(damaged)


def with_poison(records: Sequence[Record], *, key: str | None = None) -> Iterator[Record]:
    """The records, and among them damaged copies of some; key: all by this device."""
    rng = random.Random(11)
    for device_id, value in records:
        yield device_id, value
        if rng.random() < SHARE:
            yield key or device_id, fuzzed(value, rng)


@pytest.mark.parametrize(
    ("fault", "key"), [(Fault.POISON, None), (Fault.POISON_DEVICE, POISONED)], ids=["all", "one"]
)
def test_poison_is_set_aside_with_its_cause_and_one_alarm(
    sampled_scene: Scene,
    fleet: Fleet,
    undisturbed: Store,
    report: Report,
    size: Size,
    fault: Fault,
    key: str | None,
) -> None:
    scene = sampled_scene
    records = list(islice(with_poison(fleet.records, key=key), size.of(20_000, 100_000)))
    with report.row(fault, scene.backend, f"{SHARE:.0%} of the records") as row:
        scene.member().start()

        with scene.load(records) as load:
            scene.consume_all(load, 5 * CAUGHT_UP_S)

        verdict = scene.verdict(load, undisturbed)
        letters = unique(dead_letters(scene.kafka.bootstrap_servers, scene.topic))
        causes = ", ".join(sorted({letter.cause for letter in letters}))
        row.found = f"{verdict}; causes {causes}"
        assert verdict.lettered >= len(records) * SHARE / 2
        assert not verdict.faults, verdict.faults
        assert len(alarms(scene)) == 1


def test_a_dead_letter_topic_that_takes_nothing_holds_everything(
    sampled_scene: Scene, fleet: Fleet, undisturbed: Store, report: Report
) -> None:
    scene = sampled_scene
    injected = "its largest record set to a byte, later mended"
    with report.row(Fault.LETTERS_REFUSED, scene.backend, injected) as row:
        (port,) = free_ports(1)
        member = scene.member(FLEETPULSE_OPS_PORT=str(port))
        member.start()

        with scene.load(with_poison(fleet.records)) as load:
            scene.wait_until(lambda: alarms(scene) != [], CAUGHT_UP_S, "no dead letters")
            largest_letter(scene, 1)
            scene.wait_until(
                lambda: DEAD_LETTER_TOPIC in trouble(port), REFUSED_S, "/readyz does not say so"
            )
            stood_at = scene.group.committed()
            with pytest.raises(AssertionError, match="no progress"):
                scene.wait_for_progress(1, seconds=5.0)
            assert scene.group.committed() == stood_at
            largest_letter(scene, None)
            scene.wait_until(lambda: trouble(port) == "", REFUSED_S, "/readyz is not well again")
            scene.wait_for_progress(BETWEEN)
            scene.catch_up(load, CAUGHT_UP_S)

        verdict = scene.verdict(load, undisturbed)
        row.found = f"{verdict}; the offset stood, /readyz said why"
        assert not verdict.faults, verdict.faults


def alarms(scene: Scene) -> list[str]:
    """The alert events about dead letters."""
    with opened(scene.url) as store:
        events = store.alerts.events_page(device_id=OURSELVES)
    return [event.event_id for event in events if event.rule == Matter.DEAD_LETTERS]


def trouble(port: int) -> str:
    """What /readyz says is wrong; empty: nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):  # noqa: S310
            return ""
    except urllib.error.HTTPError as answer:
        with answer:
            return json.dumps(json.load(answer))


def largest_letter(scene: Scene, size_bytes: int | None) -> None:
    """Change how large a record of the dead-letter topic may be; None: as at first."""
    how = AlterConfigOpType.DELETE if size_bytes is None else AlterConfigOpType.SET
    entry = ConfigEntry("max.message.bytes", str(size_bytes), incremental_operation=how)
    resource = ConfigResource(ResourceType.TOPIC, DEAD_LETTER_TOPIC, incremental_configs=[entry])
    with AdminClient({"bootstrap.servers": scene.kafka.bootstrap_servers}) as admin:
        for changed in admin.incremental_alter_configs([resource]).values():
            changed.result(timeout=30)
