"""With a schema registry, what is posted goes to Kafka framed as the agents' readings are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from flask.testing import FlaskClient

from api import create_app
from api.__main__ import application
from api.publish import FramedPublisher
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import SchemaError
from fleetpulse.kafka import EmbeddedBroker
from fleetpulse.schemas import HEADER_AGAIN_MS, Headers, open_registry
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores.memory import MemoryStore
from tests.unit.api.builders import NOON, FakePublisher, FakeRegistry, document

PATH = "/api/v1/readings"
AWAY = "The schema registry does not answer; start it."


class Ids:
    """A schema registry that gives 7 to PCs and 8 to others; it may be away."""

    def __init__(self) -> None:
        self.is_away = False

    def header(self, topic: str) -> bytes:
        if self.is_away:
            raise SchemaError(AWAY)
        return b"\x00\x00\x00\x00" + (b"\x07" if topic == "telemetry.pc" else b"\x08")


@pytest.fixture
def ids() -> Ids:
    return Ids()


@pytest.fixture
def framing(
    ids: Ids, store: MemoryStore, clock: ManualClock, publisher: FakePublisher
) -> FlaskClient:
    """A client of an application that has that registry."""
    framed = FramedPublisher(publisher, Headers(ids.header, clock))
    app = create_app(store, FakeRegistry([]), clock=clock, interval_s=5.0, publisher=framed)
    return app.test_client()


def sent(kind: str = "pc", **more: Any) -> dict[str, Any]:
    """A reading as a device sends it."""
    return {"device_id": "d-1", "kind": kind, "measured_at": NOON, "seq": 1} | more


def test_each_record_has_the_id_of_its_topic_before_it(
    framing: FlaskClient, publisher: FakePublisher
) -> None:
    answer = framing.post(PATH, json=[sent(load_pct=5.5), sent("raspberry")])

    assert (answer.status_code, document(answer)) == (202, {"accepted": 2})
    assert [wire.schema_id(record.value) for record in publisher.records] == [7, 8]
    assert wire.decode(publisher.records[0].value)[0].load_pct == 5.5


def test_a_framed_record_holds_what_the_closed_schema_allows_and_no_more(
    framing: FlaskClient, publisher: FakePublisher
) -> None:
    framing.post(PATH, json=[sent(new_field="x", load_pct="much", power_w=0.0)])

    assert publisher.records[0].value[wire.HEADER_BYTES :] == (
        b'{"device_id":"d-1","kind":"pc","measured_at":%d,"seq":1,"power_w":0.0}' % NOON
    )


def test_without_an_id_none_is_published_and_it_says_why_and_when_to_try_again(
    framing: FlaskClient, publisher: FakePublisher, ids: Ids, clock: ManualClock
) -> None:
    framing.post(PATH, json=[sent()])
    ids.is_away = True

    answer = framing.post(PATH, json=[sent(), sent("raspberry")])

    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert document(answer)["type"] == "urn:fleetpulse:schema-registry-failed"
    assert document(answer)["detail"] == AWAY
    assert int(answer.headers["Retry-After"]) * 1000 > HEADER_AGAIN_MS
    assert len(publisher.records) == 1
    ids.is_away = False
    clock.advance(int(answer.headers["Retry-After"]))
    assert framing.post(PATH, json=[sent("raspberry")]).status_code == 202


def test_an_id_that_is_known_is_used_while_the_registry_is_away(
    framing: FlaskClient, publisher: FakePublisher, ids: Ids
) -> None:
    framing.post(PATH, json=[sent()])
    ids.is_away = True

    assert framing.post(PATH, json=[sent(seq=2)]).status_code == 202
    assert [wire.schema_id(record.value) for record in publisher.records] == [7, 7]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(tmp_path)
    yield made
    made.close()


def posted(settings: ApiSettings) -> tuple[int, Any]:
    """What the application of these settings answers to a reading."""
    with ExitStack() as opened:
        answer = application(settings, opened).test_client().post(PATH, json=[sent()])
        return answer.status_code, document(answer)


def test_the_application_frames_with_the_registry_of_its_settings(
    tmp_path: Path, broker: EmbeddedBroker
) -> None:
    settings = load(ApiSettings, data=tmp_path, schema_endpoint="mock://api")

    assert posted(settings) == (202, {"accepted": 1})

    config = {"bootstrap.servers": broker.address, "group.id": "t"}
    consumer = Consumer(config | {"auto.offset.reset": "earliest"})
    consumer.subscribe(["telemetry.pc"])
    message = consumer.poll(30)
    consumer.close()
    value = message.value() if message is not None else None
    assert wire.decode(value)[0].measured_at == NOON
    registry = open_registry(settings)
    assert registry is not None
    assert registry.header("telemetry.pc") == (value or b"")[: wire.HEADER_BYTES]
    registry.close()


def test_a_registry_that_is_not_there_is_one_sentence_and_what_to_do(
    tmp_path: Path, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(ApiSettings, data=tmp_path, schema_endpoint="http://127.0.0.1:1")

    with caplog.at_level(logging.WARNING):
        status, problem = posted(settings)

    assert status == 503
    assert problem["detail"] == (
        "The schema registry at http://127.0.0.1:1 does not answer (ConnectError);"
        " start it, or check KAFKA_SCHEMA_ENDPOINT."
    )
