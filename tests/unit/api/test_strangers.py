"""Strangers who guess keys, come by a proxy, or crowd in front of Kafka hold up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from queue import Empty, Queue
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

from api import create_app, publish
from api.door import Door, door_of
from api.publish import WAIT_AT_ONCE, InTurns, KafkaPublisher, Record
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerAway
from fleetpulse.keys import make_key
from fleetpulse.settings import ApiSettings, load
from fleetpulse.stores.memory import MemoryStore
from fleetpulse.stores.protocols import ApiKey, Scope
from tests.unit.api.builders import FakePublisher, FakeRegistry

EVERYWHERE = "0.0.0.0"  # noqa: S104
HOST = {"Host": "127.0.0.1:8000"}
FLEET = "/api/v1/fleet"
WRONG = "fp_kaaaaaaaa_" + "a" * 52


def a_client(store: MemoryStore, door: Door) -> FlaskClient:
    app = create_app(
        store,
        FakeRegistry([]),
        clock=ManualClock(),
        interval_s=5.0,
        door=door,
        publisher=FakePublisher(),
    )
    return app.test_client()


def a_key(store: MemoryStore) -> str:
    key, text = make_key("display", [Scope.READ], now_ms=ManualClock().now_ms())
    store.keys.put(key)
    return text


def status(client: FlaskClient, key: str | None = None, **headers: str) -> int:
    sent = HOST | ({} if key is None else {"X-API-Key": key}) | headers
    return client.get(FLEET, headers=sent).status_code


def test_who_guesses_keys_is_refused_before_the_store_is_asked(store: MemoryStore) -> None:
    client = a_client(store, Door(host=EVERYWHERE, refused_limit="3/minute"))
    familiar, other = a_key(store), a_key(store)
    assert status(client, familiar) == 200
    asked: list[str] = []
    get = store.keys.get

    def spied(key_id: str) -> ApiKey | None:
        asked.append(key_id)
        return get(key_id)

    with patch.object(store.keys, "get", spied):
        found = [status(client, WRONG) for _ in range(5)]

        assert found == [401, 401, 401, 429, 429]
        assert len(asked) == 3
        assert status(client, other) == 429  # it could be another guess
        assert status(client, familiar) == 200


def test_a_key_that_was_right_is_a_guess_like_others_once_it_is_revoked(
    store: MemoryStore,
) -> None:
    client = a_client(store, Door(host=EVERYWHERE, refused_limit="1/minute"))
    key = a_key(store)
    assert status(client, key) == 200
    store.keys.revoke(key.split("_")[1], ManualClock().now_ms())

    assert [status(client, key) for _ in range(3)] == [401, 429, 429]

    with patch.object(store.keys, "get", side_effect=AssertionError("the store was asked")):
        assert status(client, key) == 429


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("FLEETPULSE_PORT", "8000", 200),
        ("FLEETPULSE_KEYLESS", "off", 401),
        ("FLEETPULSE_ALLOWED_HOSTS", "fleet.lan", 401),
        ("FLEETPULSE_TRUSTED_PROXIES", "1", 401),
    ],
)
def test_behind_a_proxy_nobody_is_let_in_for_being_on_this_machine(
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    expected: int,
) -> None:
    """One that is set up carelessly sends no header of its own, and a loopback Host."""
    monkeypatch.setenv(variable, value)

    assert status(a_client(store, door_of(load(ApiSettings)))) == expected


def test_by_a_trusted_proxy_each_is_counted_by_its_own_address(store: MemoryStore) -> None:
    client = a_client(store, Door(is_keyless=False, proxies=1, rate_limit="1/minute"))

    def ask(forwarded_for: str) -> int:
        return status(client, **{"X-Forwarded-For": forwarded_for})

    assert [ask("192.0.2.1"), ask("192.0.2.1")] == [401, 429]
    assert ask("192.0.2.2") == 401
    assert ask("192.0.2.3, 192.0.2.1") == 429  # what a stranger makes up is not the proxy's word


def test_without_one_nobody_chooses_by_what_address_it_is_counted(store: MemoryStore) -> None:
    client = a_client(store, Door(host=EVERYWHERE, rate_limit="1/minute"))

    found = [status(client, **{"X-Forwarded-For": f"192.0.2.{last}"}) for last in range(2)]

    assert found == [401, 429]


class SilentProducer:
    """A broker that does not answer before it is told to."""

    def __init__(self) -> None:
        self.polled = threading.Semaphore(0)
        self.answer = threading.Event()
        self._reports: Queue[Callable[[None, None], None]] = Queue()

    def produce(
        self, _topic: str, _value: bytes, _key: str, on_delivery: Callable[[None, None], None]
    ) -> None:
        self._reports.put(on_delivery)

    def poll(self, _seconds: float) -> None:
        self.polled.release()
        self.answer.wait()
        with suppress(Empty):  # another request's poll was faster
            self._reports.get_nowait()(None, None)

    def flush(self, _seconds: float) -> None: ...


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentProducer]:
    made = SilentProducer()
    monkeypatch.setenv("KAFKA_BROKER_SETTINGS", "127.0.0.1:1")
    monkeypatch.setattr(publish, "producer", lambda *_, **__: made)
    monkeypatch.setattr(publish, "WAIT_FOR_TURN_S", 0.0)
    monkeypatch.setattr("fleetpulse.kafka.ensure_topics", lambda *_, **__: None)
    yield made
    made.answer.set()


def test_few_requests_at_a_time_wait_for_kafka(silent: SilentProducer) -> None:
    record = Record("telemetry.pc", "pc-1", b"{}")
    with closing(InTurns(KafkaPublisher(load(ApiSettings)))) as publisher:
        waiting = [
            threading.Thread(target=publisher.publish, args=([record],))
            for _ in range(WAIT_AT_ONCE)
        ]
        for thread in waiting:
            thread.start()
        for _ in waiting:
            silent.polled.acquire(timeout=10)

        with pytest.raises(BrokerAway, match="wait for Kafka already"):
            publisher.publish([record])

        silent.answer.set()
        for thread in waiting:
            thread.join(10)
        publisher.publish([record])
