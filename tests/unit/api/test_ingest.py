"""Readings over HTTP: checked like the wire, taken all or not at all, answered for once safe."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api import create_app
from api.door import Door
from api.resources.ingest import MOST_BYTES, MOST_READINGS
from fleetpulse import wire
from fleetpulse.clock import ManualClock
from fleetpulse.keys import make_key
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import Scope
from generators.upload import Answer, key_tried
from tests.unit.api.builders import (
    NOON,
    FakePublisher,
    FakeRegistry,
    document,
    save_reading,
)

PATH = "/api/v1/readings"


def sent(device_id: str = "pi-1", **more: Any) -> dict[str, Any]:
    """A reading as a device sends it."""
    return {"device_id": device_id, "kind": "raspberry", "measured_at": NOON, "seq": 1} | more


@pytest.mark.parametrize("wrapped", [False, True])
def test_readings_go_to_the_topic_of_their_kind_as_they_came(
    client: FlaskClient, publisher: FakePublisher, wrapped: bool
) -> None:
    readings = [sent(seq=1, temperature_c=61.3, new_field="x"), sent("pc-1", kind="pc", seq=2)]

    answer = client.post(PATH, json={"readings": readings} if wrapped else readings)

    assert (answer.status_code, document(answer)) == (202, {"accepted": 2})
    assert [(each.topic, each.key) for each in publisher.records] == [
        ("telemetry.raspberry", "pi-1"),
        ("telemetry.pc", "pc-1"),
    ]
    assert [msgspec.json.decode(each.value) for each in publisher.records] == readings
    assert wire.decode(publisher.records[0].value)[0].temperature_c == 61.3


def test_one_bad_reading_keeps_out_all_and_the_bad_ones_are_named(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    readings = [sent(), {"kind": "pc"}, sent(), 5, sent(measured_at=-1), sent(kind="new")]

    answer = client.post(PATH, json=readings)

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert [(each["index"], each["cause"]) for each in document(answer)["errors"]] == [
        (1, "missing-field"),
        (3, "not-an-object"),
        (4, "bad-field"),
    ]
    assert publisher.records == []


def test_only_the_first_bad_ones_are_listed(client: FlaskClient) -> None:
    answer = client.post(PATH, json=[{}] * 500)

    assert len(document(answer)["errors"]) == 10
    assert document(answer)["detail"].startswith("500 ")


@pytest.mark.parametrize(
    "body", [b"", b"x", b"5", b'"x"', b'{"reading": []}', b"[1,", b"\xff", b"[" * 100_000]
)
def test_what_is_no_list_of_readings_is_refused(
    client: FlaskClient, publisher: FakePublisher, body: bytes
) -> None:
    answer = client.post(PATH, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert publisher.records == []


def test_no_readings_are_no_trouble(client: FlaskClient, publisher: FakePublisher) -> None:
    publisher.is_down = True

    assert document(client.post(PATH, json=[])) == {"accepted": 0}


def test_too_many_readings_are_refused(client: FlaskClient, publisher: FakePublisher) -> None:
    assert client.post(PATH, json=[sent()] * MOST_READINGS).status_code == 202

    answer = client.post(PATH, json=[sent()] * (MOST_READINGS + 1))

    assert answer.status_code == 413
    assert len(publisher.records) == MOST_READINGS


def test_a_body_of_a_megabyte_is_taken_and_a_larger_one_is_not(client: FlaskClient) -> None:
    def posted(size: int) -> int:
        body = b"[]".ljust(size)
        return client.post(PATH, data=body, content_type="application/json").status_code

    assert posted(MOST_BYTES) == 202
    assert posted(MOST_BYTES + 1) == 413


def test_a_reading_larger_than_kafka_takes_is_refused(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    def posted(size: int) -> TestResponse:
        reading = json.dumps(sent()).replace("}", ', "new_field": "').ljust(size - 2, "x") + '"}'
        return client.post(PATH, data=f"[{reading}]", content_type="application/json")

    assert posted(wire.MAX_BYTES).status_code == 202
    answer = posted(wire.MAX_BYTES + 1)

    assert answer.status_code == 422
    assert document(answer)["errors"][0]["cause"] == "too-large"
    assert len(publisher.records) == 1


def test_without_kafka_it_says_when_to_try_again_and_the_rest_works(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    publisher.is_down = True

    answer = client.post(PATH, json=[sent()])

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert document(answer)["type"] == "urn:fleetpulse:broker-failed"
    assert client.get("/api/v1/fleet").status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("pc", 202), ("toaster", 202), ("fridge", 422)])
def test_a_key_makes_no_new_topics(
    client: FlaskClient, store: MemoryStore, kind: str, status: int
) -> None:
    save_reading(store, "pi-1", kind="toaster")

    assert client.post(PATH, json=[sent(kind=kind)]).status_code == status


def test_a_key_sends_of_its_own_device_only(store: MemoryStore, publisher: FakePublisher) -> None:
    client, header = locked(store, publisher)

    answer = client.post(PATH, json=[sent("pi-1"), sent("pi-2")], headers=header)

    assert answer.status_code == 403
    assert "number 1" in document(answer)["detail"]
    assert publisher.records == []
    assert client.post(PATH, json=[sent("pi-1")], headers=header).status_code == 202


def test_a_key_is_tried_without_a_reading(store: MemoryStore, publisher: FakePublisher) -> None:
    client, header = locked(store, publisher)

    def tried(device_id: str, headers: dict[str, str]) -> TestResponse:
        def post(body: bytes) -> Answer:
            answers.append(
                client.post(PATH, data=body, content_type="application/json", headers=headers)
            )
            return Answer()

        answers: list[TestResponse] = []
        key_tried(post, device_id)
        return answers[0]

    own = tried("pi-1", header)
    assert (own.status_code, document(own)) == (202, {"accepted": 0})
    assert tried("pi-2", header).status_code == 403
    assert tried("pi-1", HOST | {"Authorization": "Bearer fp_wrong"}).status_code == 401
    assert publisher.records == []


def test_readings_of_a_named_device_are_still_checked_one_by_one(
    store: MemoryStore, publisher: FakePublisher
) -> None:
    client, header = locked(store, publisher)

    body = {"device_id": "pi-1", "readings": [sent("pi-2")]}

    assert client.post(PATH, json=body, headers=header).status_code == 403


def test_a_key_that_posts_too_often_waits_and_others_do_not(
    store: MemoryStore, publisher: FakePublisher
) -> None:
    client, header = locked(store, publisher, ingest_limit="2/minute")
    _, other = locked(store, publisher)

    answers = [client.post(PATH, json=[sent()], headers=header) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert client.post(PATH, json=[sent()], headers=other).status_code == 202


def test_strangers_are_counted_by_address_and_keys_by_themselves(
    store: MemoryStore, publisher: FakePublisher
) -> None:
    key, text = make_key("reader", [Scope.READ], now_ms=NOON)
    store.keys.put(key)
    client, _ = locked(store, publisher, rate_limit="2/minute")

    strangers = [client.get("/api/v1/fleet", headers=HOST).status_code for _ in range(3)]
    header = HOST | {"X-API-Key": text}
    known = [client.get("/api/v1/fleet", headers=header).status_code for _ in range(3)]

    assert strangers == [401, 401, 429]
    assert known == [200, 200, 429]
    assert client.get("/healthz", headers=HOST).status_code == 200


HOST = {"Host": "10.0.0.5:8000"}


def locked(
    store: MemoryStore,
    publisher: FakePublisher,
    *,
    rate_limit: str | None = None,
    ingest_limit: str | None = None,
) -> tuple[FlaskClient, dict[str, str]]:
    """A client of an application that others can reach, and what the device pi-1 sends with it."""
    door = Door(host="0.0.0.0", rate_limit=rate_limit, ingest_limit=ingest_limit)  # noqa: S104
    app = create_app(
        store,
        FakeRegistry([]),
        clock=ManualClock(),
        interval_s=5.0,
        door=door,
        publisher=publisher,
    )
    key, text = make_key("pi", [Scope.INGEST], now_ms=NOON, device_id="pi-1")
    store.keys.put(key)
    return app.test_client(), HOST | {"Authorization": f"Bearer {text}"}
