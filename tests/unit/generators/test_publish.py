"""Delivery: in order, again and again, until the broker has every reading."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from fleetpulse import kafka
from fleetpulse.clock import ManualClock
from fleetpulse.errors import SettingsError
from generators.publish import MAX_IN_FLIGHT, Publisher
from generators.spool import Spool
from tests.unit.generators.fakes import FakeBroker, FakeError

NEVER = threading.Event()


class Setting:
    """A spool, a broker and the publisher between them."""

    def __init__(self, folder: Path, cap_bytes: int = 8 * 1024 * 1024) -> None:
        self.clock = ManualClock()
        self.broker = FakeBroker(self.clock)
        self.spool = Spool(folder, cap_bytes, self.clock)
        self.config = {"bootstrap.servers": "first:9092"}
        self.header: bytes | None = b""
        self.publisher = self.started()

    def started(self) -> Publisher:
        return Publisher(
            self.spool,
            topic="telemetry.pc",
            device_id="pc-1",
            configure=self.configure,
            clock=self.clock,
            make=self.broker.connect,
            header=lambda: self.header,
        )

    def configure(self) -> dict[str, str]:
        if not self.config:
            raise SettingsError("No broker")
        return dict(self.config)

    def fill(self, readings: int) -> None:
        for _ in range(readings):
            self.spool.append(b'{"seq":%d}' % self.spool.next_seq)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path / "spool")
    yield setting
    setting.spool.close()


def test_a_reading_is_published_under_its_device_and_leaves_the_spool(agent: Setting) -> None:
    agent.fill(1)

    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.records == [b'{"seq":1}']
    assert agent.broker.keys == {"pc-1"}
    assert (agent.publisher.published, agent.spool.depth) == (1, 0)


def test_nothing_is_published_until_it_is_known_what_goes_before_each_record(
    agent: Setting,
) -> None:
    agent.header = None
    agent.fill(2)
    began_ms = agent.clock.now_ms()
    agent.publisher.deliver(5.0, NEVER)
    assert (agent.broker.records, agent.spool.depth) == ([], 2)
    assert agent.clock.now_ms() - began_ms == 5000

    agent.header = b"\x00\x00\x00\x00\x07"
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.records == [
        b'\x00\x00\x00\x00\x07{"seq":1}',
        b'\x00\x00\x00\x00\x07{"seq":2}',
    ]
    assert agent.spool.depth == 0


def test_delivering_takes_as_long_as_was_asked_for(agent: Setting) -> None:
    began_ms = agent.clock.now_ms()

    agent.publisher.deliver(5.0, NEVER)

    assert agent.clock.now_ms() - began_ms == 5000


def test_a_clock_that_is_set_back_does_not_hold_delivery_up(agent: Setting) -> None:
    agent.broker.away = True
    agent.fill(1)
    poll = agent.broker.clients[0].poll

    def jump(timeout: float) -> int:
        agent.clock.advance(-86_400)
        return poll(timeout)

    agent.broker.clients[0].poll = jump  # type: ignore[method-assign]

    agent.publisher.deliver(5.0, NEVER)  # comes back

    assert agent.spool.depth == 1


def test_while_the_broker_is_away_the_spool_grows_and_on_its_return_all_arrive_in_order(
    agent: Setting,
) -> None:
    agent.broker.away = True
    for _ in range(100):
        agent.fill(1)
        agent.publisher.deliver(5.0, NEVER)
    assert agent.spool.depth == 100

    agent.broker.away = False
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.seqs == list(range(1, 101))
    assert agent.spool.depth == 0


def test_memory_is_bounded_however_much_waits(agent: Setting) -> None:
    agent.fill(5 * MAX_IN_FLIGHT)

    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.clients[0].longest_queue == MAX_IN_FLIGHT
    assert agent.broker.seqs == list(range(1, 5 * MAX_IN_FLIGHT + 1))


def test_what_kafka_refuses_is_sent_again_from_the_oldest_on(agent: Setting) -> None:
    agent.broker.refuses = FakeError("Topic authorization failed")
    agent.fill(3)
    for _ in range(10):
        agent.publisher.deliver(5.0, NEVER)
    assert agent.spool.depth == 3

    agent.broker.refuses = None
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.seqs == [1, 2, 3]
    assert agent.spool.depth == 0


def test_one_refusal_in_the_middle_keeps_the_order_of_what_is_kept(agent: Setting) -> None:
    agent.fill(4)
    agent.publisher._feed()
    queue = agent.broker.clients[0].queue
    reports = [report for _, report in queue]
    queue.clear()

    reports[0](None, None)
    reports[1](FakeError(), None)
    reports[2](None, None)  # the broker has it, but 2 must come before it
    reports[3](None, None)
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.seqs == [2, 3, 4]
    assert agent.spool.depth == 0


def test_acknowledgements_in_any_order_empty_the_spool(agent: Setting) -> None:
    """As when the topic gets more partitions: the older readings may be in a slower one."""
    agent.fill(4)
    agent.publisher._feed()
    reports = [report for _, report in agent.broker.clients[0].queue]
    agent.broker.clients[0].queue.clear()

    for nth in (2, 0, 3, 1):
        reports[nth](None, None)

    assert (agent.publisher.published, agent.spool.depth) == (4, 0)


def test_a_refusal_after_a_later_reading_arrived_loses_none(agent: Setting) -> None:
    agent.fill(3)
    agent.publisher._feed()
    reports = [report for _, report in agent.broker.clients[0].queue]
    agent.broker.clients[0].queue.clear()

    reports[1](None, None)
    reports[0](FakeError(), None)
    reports[2](None, None)
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.seqs == [1, 2, 3]
    assert agent.spool.depth == 0


def test_a_client_that_is_done_for_is_replaced(agent: Setting) -> None:
    agent.broker.refuses = FakeError("Fenced", deadly=True)
    agent.fill(2)
    agent.publisher.deliver(1.0, NEVER)
    agent.broker.refuses = None

    agent.publisher.deliver(5.0, NEVER)

    assert len(agent.broker.clients) >= 2
    assert agent.broker.seqs == [1, 2]


def test_reports_of_a_client_that_was_replaced_are_void(agent: Setting) -> None:
    agent.fill(2)
    agent.publisher._feed()
    late = [report for _, report in agent.broker.clients[0].queue]
    late[0](FakeError("Fenced", deadly=True), None)

    late[1](None, None)

    assert agent.spool.depth == 2
    assert agent.publisher.published == 0


def test_a_broker_that_moved_is_followed(agent: Setting) -> None:
    agent.broker.away = True
    agent.fill(3)
    agent.publisher.deliver(5.0, NEVER)
    agent.config = {"bootstrap.servers": "second:9092"}

    agent.publisher.deliver(10.0, NEVER)
    agent.broker.away = False
    agent.publisher.deliver(5.0, NEVER)

    assert agent.broker.clients[-1].config["bootstrap.servers"] == "second:9092"
    assert agent.broker.seqs == [1, 2, 3]


def test_a_broker_that_is_not_known_for_a_while_is_waited_for(agent: Setting) -> None:
    agent.broker.away = True
    agent.fill(1)
    agent.config = {}

    agent.publisher.deliver(60.0, NEVER)

    assert len(agent.broker.clients) == 1
    assert agent.spool.depth == 1


def test_a_wrong_password_is_told_once_whatever_else_the_client_says(
    agent: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    on_error = agent.broker.clients[0].config["error_cb"]

    for _ in range(20):
        on_error(KafkaError(KafkaError._TRANSPORT, "connection closed"))
        on_error(KafkaError(KafkaError._AUTHENTICATION, "invalid credentials"))
        on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))

    away, locked_out = caplog.messages
    assert "does not answer (connection closed)" in away
    assert "first:9092 refuses the user or the password" in locked_out


def test_an_outage_is_told_once_and_so_is_its_end(
    agent: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    agent.broker.away = True
    agent.fill(1)
    on_error = agent.broker.clients[0].config["error_cb"]
    for _ in range(20):
        on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
        agent.publisher.deliver(1.0, NEVER)
    during = agent.publisher.trouble
    agent.broker.away = False
    agent.publisher.deliver(1.0, NEVER)

    assert during == "Kafka at first:9092 does not answer (1/1 brokers are down)."
    assert agent.publisher.trouble == ""
    assert caplog.messages == [
        "Kafka at first:9092 does not answer (1/1 brokers are down): readings wait in the spool.",
        "Kafka takes readings again; 0 wait.",
    ]


def test_an_acknowledgement_is_saved_before_the_wait_is_over(
    agent: Setting, tmp_path: Path
) -> None:
    agent.fill(3)
    agent.publisher.deliver(5.0, NEVER)
    os.close(agent.spool._lock)  # killed

    agent.spool = Spool(tmp_path / "spool", 64 * 1024, agent.clock)

    assert agent.spool.depth == 0


def test_draining_stops_after_two_seconds_when_the_broker_is_away(agent: Setting) -> None:
    agent.broker.away = True
    agent.fill(1)
    began_ms = agent.clock.now_ms()

    agent.publisher.drain(2.0)

    assert 2000 <= agent.clock.now_ms() - began_ms <= 2200


def test_draining_ends_at_once_when_nothing_waits(agent: Setting) -> None:
    began_ms = agent.clock.now_ms()

    agent.publisher.drain(2.0)

    assert agent.clock.now_ms() == began_ms


def test_dropped_readings_that_were_under_way_are_delivered_and_not_counted(
    tmp_path: Path,
) -> None:
    agent = Setting(tmp_path / "small", cap_bytes=64 * 1024)
    agent.broker.away = True
    agent.fill(100)
    agent.publisher.deliver(1.0, NEVER)
    agent.fill(5000)
    agent.broker.away = False

    agent.publisher.deliver(60.0, NEVER)

    assert agent.broker.seqs == sorted(agent.broker.seqs)
    assert len(agent.broker.seqs) + agent.spool.dropped == 5100
    assert agent.spool.depth == 0
    agent.spool.close()


def test_its_producer_doubles_nothing_and_waits_for_all_replicas(
    agent: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr(kafka, "Producer", made.append)

    Publisher(
        agent.spool,
        topic="telemetry.pc",
        device_id="pc-1",
        configure=agent.configure,
        clock=agent.clock,
    )

    assert (made[0]["enable.idempotence"], made[0]["acks"]) == (True, "all")
    assert made[0]["message.timeout.ms"] == 0  # what it holds it never gives up
