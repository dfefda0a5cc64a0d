"""The replay: pace, times, numbers, topics, and waiting for the consumer."""

from __future__ import annotations

import argparse
import importlib.util
import math
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from fleetpulse import kafka, wire
from fleetpulse.clock import ManualClock
from fleetpulse.errors import BrokerError, SchemaError, SettingsError, StartError
from fleetpulse.kafka import EmbeddedBroker
from fleetpulse.settings import AgentSettings, load
from fleetpulse.telemetry import Reading
from generators import outlet as outlets
from generators import replay
from generators.outlet import CHECK_EVERY, Behind, DeliveryReport, Outlet
from generators.recordings import Recording
from generators.replay import add_arguments, paced, summary, timed

NOON = 1_795_342_120_000
TOPIC = "telemetry.raspberry"
MINUTE_MS = 60_000


def a_recording(folder: Path, *, header: str = "device_id,measured_at,load_pct") -> Recording:
    """Two devices, a reading each every 10 s for a minute, some years ago."""
    path = folder / "readings.csv"
    rows = [f"{device},{at},50" for at in range(0, 60_001, 10_000) for device in ("a", "b")]
    path.write_text("\n".join([header, *rows]) + "\n")
    return Recording(path)


def a_reading(at: int) -> Reading:
    return Reading(device_id="a", kind="pc", measured_at=at)


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


class TestTheTimes:
    def test_at_the_recorded_pace_the_recording_begins_now(self, tmp_path: Path) -> None:
        recording = a_recording(tmp_path)

        readings = list(timed(recording, speed=1.0, keeps_times=False, now_ms=NOON))

        assert readings[0].measured_at == NOON
        assert readings[-1].measured_at == NOON + MINUTE_MS

    @pytest.mark.parametrize("speed", [1.0, 1.5, 10.0, 1000.0, math.inf, 0.5])
    def test_no_reading_lies_in_the_future_when_it_is_published(
        self, tmp_path: Path, speed: float
    ) -> None:
        recording, clock = a_recording(tmp_path), ManualClock()
        readings = timed(recording, speed=speed, keeps_times=False, now_ms=clock.now_ms())

        for reading in paced(readings, speed=speed, clock=clock, stop=threading.Event()):
            assert reading.measured_at <= clock.now_ms()

    def test_as_fast_as_possible_the_recording_ends_now(self, tmp_path: Path) -> None:
        recording = a_recording(tmp_path)

        readings = list(timed(recording, speed=math.inf, keeps_times=False, now_ms=NOON))

        assert readings[-1].measured_at == NOON

    def test_recorded_times_can_be_kept(self, tmp_path: Path) -> None:
        recording = a_recording(tmp_path)

        readings = list(timed(recording, speed=5.0, keeps_times=True, now_ms=NOON))

        assert [reading.measured_at for reading in readings[::2]] == list(range(0, 60_001, 10_000))

    def test_numbers_grow_per_device_and_from_one_replay_to_the_next(self, tmp_path: Path) -> None:
        def numbers(now_ms: int) -> list[int]:
            readings = timed(a_recording(tmp_path), speed=1.0, keeps_times=False, now_ms=now_ms)
            return [reading.seq for reading in readings if reading.device_id == "a"]

        first, second = numbers(NOON), numbers(NOON + MINUTE_MS)

        assert first == list(range(first[0], first[0] + 7))
        assert second[0] > first[-1]

    def test_kept_times_give_the_same_readings_again(self, tmp_path: Path) -> None:
        def again() -> list[Reading]:
            return list(timed(a_recording(tmp_path), speed=1.0, keeps_times=True, now_ms=NOON))

        assert again() == again()
        assert [reading.seq for reading in again()[:4]] == [0, 0, 1, 1]


class TestThePace:
    @pytest.mark.parametrize(("speed", "lasts_s"), [(1.0, 60.0), (10.0, 6.0), (0.5, 120.0)])
    def test_a_minute_takes_a_minute_divided_by_the_speed(
        self, speed: float, lasts_s: float
    ) -> None:
        clock = ManualClock(NOON)
        readings = [a_reading(at) for at in range(0, 60_001, 1000)]

        assert len(list(paced(readings, speed=speed, clock=clock, stop=threading.Event()))) == 61

        assert (clock.now_ms() - NOON) / 1000 == pytest.approx(lasts_s, abs=0.1)

    def test_as_fast_as_possible_waits_for_nothing(self) -> None:
        clock = ManualClock(NOON)

        list(paced([a_reading(0), a_reading(10**9)], speed=math.inf, clock=clock, stop=_never()))

        assert clock.now_ms() == NOON

    def test_a_stop_ends_it_while_it_waits(self) -> None:
        stop = threading.Event()
        taken = []

        for reading in paced(
            [a_reading(at) for at in (0, 1000, 2000)], speed=1, clock=ManualClock(), stop=stop
        ):
            taken.append(reading)
            stop.set()

        assert len(taken) == 1


def _never() -> threading.Event:
    return threading.Event()


class Broker:
    """A producer and a consumer group in one: it counts, and consumes when the clock moves on."""

    def __init__(self, clock: ManualClock, *, per_second: float) -> None:
        self.published = 0
        self.most_behind = 0
        self.is_full = 0
        self.error: KafkaError | None = None
        self.is_away = False
        self._clock = clock
        self._began_ms = clock.now_ms()
        self._per_second = per_second

    @property
    def consumed(self) -> int:
        passed_s = (self._clock.now_ms() - self._began_ms) / 1000
        return min(self.published, int(passed_s * self._per_second))

    def behind(self, topics: Iterable[str]) -> Behind:
        if self.is_away:
            raise BrokerError("away")
        return Behind(self.published - self.consumed, is_consumed=self.consumed > 0)

    def produce(self, topic: str, *, value: bytes, key: str, on_delivery: DeliveryReport) -> None:
        if self.is_full:
            self.is_full -= 1
            raise BufferError
        self.published += 1
        self.most_behind = max(self.most_behind, self.published - self.consumed)
        on_delivery(self.error, None)

    def poll(self, timeout: float) -> int:
        return 0

    def flush(self, timeout: float) -> int:
        return 0

    def __len__(self) -> int:
        return 0


def an_outlet(
    broker: Broker, clock: ManualClock, say: Callable[[str], None] = lambda sentence: None
) -> Outlet:
    return Outlet(
        broker, broker, most_behind=2000, group="fleetpulse-hardware", clock=clock, say=say
    )


def publish(outlet: Outlet, count: int, stop: threading.Event | None = None) -> None:
    for _ in range(count):
        outlet.publish(TOPIC, key="a", value=b"{}", stop=stop or _never())


class StoppingClock(ManualClock):
    """A clock on which somebody stops the program after a while."""

    def __init__(self, stop: threading.Event, *, after_s: float) -> None:
        super().__init__()
        self._stop = stop
        self._stops_ms = self.now_ms() + after_s * 1000

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.advance(seconds)
        if self.now_ms() > self._stops_ms:
            self._stop.set()
        return stop.is_set()


class TestHoldingBack:
    def test_a_slow_consumer_is_never_left_far_behind(self) -> None:
        clock = ManualClock()
        broker = Broker(clock, per_second=1000)

        publish(an_outlet(broker, clock), 20_000)

        assert broker.published == 20_000
        assert broker.most_behind <= 2000 + CHECK_EVERY

    def test_a_consumer_that_keeps_up_costs_no_wait(self) -> None:
        clock = ManualClock(NOON)
        broker = Broker(clock, per_second=10**12)
        clock.advance(1)
        began = clock.now_ms()

        publish(an_outlet(broker, clock), 20_000)

        assert clock.now_ms() == began

    def test_without_a_consumer_it_says_so_once_and_goes_on_waiting(self) -> None:
        stop, said = threading.Event(), list[str]()
        clock = StoppingClock(stop, after_s=120)
        broker = Broker(clock, per_second=0)

        publish(an_outlet(broker, clock, said.append), 5000, stop)

        assert said == [
            "No consumer of group fleetpulse-hardware reads telemetry.raspberry;"
            " waiting for one (`fleetpulse consume hardware`)."
        ]
        assert 2000 < broker.published <= 2000 + CHECK_EVERY

    def test_a_broker_that_stays_away_is_given_up_after_minutes(self) -> None:
        clock, said = ManualClock(), list[str]()
        broker = Broker(clock, per_second=1000)
        broker.is_away = True

        with pytest.raises(BrokerError, match="not answered for 5 minutes"):
            publish(an_outlet(broker, clock, said.append), 1)

        assert said == ["Kafka does not answer; waiting for it."]
        assert broker.published == 0

    def test_a_full_queue_is_waited_for(self) -> None:
        clock = ManualClock()
        broker = Broker(clock, per_second=1000)
        broker.is_full = 3

        publish(an_outlet(broker, clock), 10)

        assert broker.published == 10

    def test_a_reading_that_kafka_refuses_ends_it(self) -> None:
        clock = ManualClock()
        broker = Broker(clock, per_second=1000)
        broker.error = KafkaError(KafkaError._MSG_TIMED_OUT)

        with pytest.raises(BrokerError, match="does not take the readings"):
            publish(an_outlet(broker, clock), 1)

    def test_it_need_not_wait_for_anyone(self) -> None:
        clock = ManualClock(NOON)
        broker = Broker(clock, per_second=0)
        outlet = Outlet(broker, None, most_behind=0, group="-", clock=clock, say=lambda _: None)

        publish(outlet, 20_000)

        assert broker.published == 20_000
        assert clock.now_ms() == NOON


def published(address: str, count: int) -> dict[str, bytes]:
    """The newest value of each topic of readings, after so many records."""
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([r"^telemetry\..*"])
    messages = consumer.consume(count, 30)
    consumer.close()
    return {message.topic() or "": message.value() or b"" for message in messages}


@pytest.fixture
def _signals() -> Iterator[None]:
    """The handlers of the test run, which a command replaces, are put back."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.usefixtures("_signals")
class TestTheCommand:
    def test_the_defaults_are_the_recorded_pace_from_now_on(self) -> None:
        arguments = options("readings.csv")

        assert (arguments.speed, arguments.start) == (1.0, "now")

    @pytest.mark.parametrize(("word", "speed"), [("max", math.inf), ("10", 10.0), ("0.5", 0.5)])
    def test_speeds(self, word: str, speed: float) -> None:
        assert options("readings.csv", "--speed", word).speed == speed

    @pytest.mark.parametrize("word", ["fast", "0", "-1", "nan", "inf"])
    def test_speeds_that_are_none_are_refused(
        self, word: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            options("readings.csv", f"--speed={word}")

        assert caught.value.code == 2
        assert f"'{word}' is neither a number above 0 nor max" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [("--kind", "my pi"), ("--hold-at=-1",), ("--hold-at=x",)])
    def test_what_cannot_work_is_refused(self, words: tuple[str, ...]) -> None:
        with pytest.raises(SystemExit):
            options("readings.csv", *words)

    def test_seconds_without_a_date_cannot_keep_their_times(self, tmp_path: Path) -> None:
        path = tmp_path / "readings.csv"
        path.write_text("t_s,load_pct\n0,5\n")
        arguments = options(str(path), "--device-id", "a", "--start", "recorded")

        with pytest.raises(StartError, match="has t_s, seconds since its begin, and no dates"):
            replay.main(arguments, load(AgentSettings, data=tmp_path))

    def test_where_an_agent_alone_is_installed_it_says_what_to_add(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

        with pytest.raises(StartError, match="pip install rich"):
            replay.main(options("readings.csv"), load(AgentSettings, data=tmp_path))

    def test_without_a_broker_it_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KAFKA_BROKER_SETTINGS", raising=False)
        path = tmp_path / "readings.csv"
        path.write_text("device_id,t_s,load_pct\na,0,5\n")

        with pytest.raises(SettingsError, match="run `fleetpulse up` first"):
            replay.main(options(str(path)), load(AgentSettings, data=tmp_path))

    def test_with_a_registry_its_records_are_framed_by_topic_as_the_agents_are(
        self, tmp_path: Path
    ) -> None:
        broker = EmbeddedBroker(tmp_path)
        path = tmp_path / "readings.csv"
        path.write_text("device_id,kind,t_s,load_pct\na,pc,0,5\nb,raspberry,0,6\n")
        settings = load(AgentSettings, data=tmp_path, schema_endpoint="mock://replay")

        assert replay.main(options(str(path), "--speed", "max", "--hold-at", "0"), settings) == 0

        found = published(broker.address, 2)
        broker.close()
        assert {topic: value[0] for topic, value in found.items()} == dict.fromkeys(found, 0)
        assert {topic: wire.schema_id(value) for topic, value in found.items()} == {
            "telemetry.pc": 1,
            "telemetry.raspberry": 2,
        }
        assert {topic: wire.decode(value)[0].load_pct for topic, value in found.items()} == {
            "telemetry.pc": 5,
            "telemetry.raspberry": 6,
        }

    def test_without_the_registry_that_is_configured_nothing_is_published(
        self, tmp_path: Path
    ) -> None:
        broker = EmbeddedBroker(tmp_path)
        path = tmp_path / "readings.csv"
        path.write_text("device_id,t_s,load_pct\na,0,5\n")
        settings = load(AgentSettings, data=tmp_path, schema_endpoint="http://127.0.0.1:1")

        with pytest.raises(SchemaError, match="start it, or check KAFKA_SCHEMA_ENDPOINT"):
            replay.main(options(str(path), "--hold-at", "0"), settings)

        topics = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics
        broker.close()
        assert not topics

    def test_after_a_stop_the_summary_counts_what_the_broker_has(self, tmp_path: Path) -> None:
        told = summary(a_recording(tmp_path), 3, {TOPIC}, stopped=True)

        assert told == (
            "Stopped: published 3 of 14 readings of 2 devices to telemetry.raspberry.\n"
        )

    def test_the_summary_says_what_came_and_what_was_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "readings.csv"
        path.write_text("device_id,t_s,load_pct\na,0,5\na,1,much\n")
        recording = Recording(path)
        list(recording.readings())

        assert summary(recording, 2, {TOPIC}, stopped=False) == (
            "Published 2 of 2 readings of 1 device to telemetry.raspberry.\n"
            "Left out: 1 impossible value (first: line 3, column load_pct: 'much'"
            " is not within 0 to 100 %).\n"
        )


class FakeConsumer:
    """Two partitions: one committed at 40 of 100, one trimmed up to 30 and never committed."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def list_topics(self, topic: str, timeout: float) -> Any:
        partitions = {} if topic == "telemetry.new" else {0: None, 1: None}
        metadata = argparse.Namespace(partitions=partitions)
        return argparse.Namespace(topics={topic: metadata})

    def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
        for place in partitions:
            place.offset = 40 if place.partition == 0 else -1001
        return partitions

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        return (0, 100) if place.partition == 0 else (30, 50)

    def close(self) -> None:
        pass


class TestTheLagOfAGroup:
    def test_it_is_what_is_kept_and_not_yet_committed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outlets, "Consumer", FakeConsumer)

        assert outlets.GroupLag({}, "g").behind([TOPIC]) == Behind(60 + 20, is_consumed=True)

    def test_a_topic_that_does_not_exist_yet_has_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outlets, "Consumer", FakeConsumer)

        behind = outlets.GroupLag({}, "g").behind(["telemetry.new"])

        assert behind == Behind(0, is_consumed=False)

    def test_a_broker_that_does_not_answer_is_an_error_of_ours(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Away(FakeConsumer):
            def list_topics(self, topic: str, timeout: float) -> Any:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT))

        monkeypatch.setattr(outlets, "Consumer", Away)

        with pytest.raises(BrokerError):
            outlets.GroupLag({}, "g").behind([TOPIC])


def test_its_producer_doubles_nothing_and_waits_for_all_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, Any]] = []

    class Answering:
        def __init__(self, config: dict[str, Any]) -> None:
            made.append(config)

        def list_topics(self, timeout: float) -> None:
            """The broker is there."""

    monkeypatch.setattr(kafka, "Producer", Answering)

    replay._producer(load(AgentSettings, bootstrap_servers="broker:9092"))

    assert (made[0]["enable.idempotence"], made[0]["acks"]) == (True, "all")
