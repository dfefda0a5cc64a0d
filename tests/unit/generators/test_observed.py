"""How an agent says that it is well, or what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from fleetpulse.clock import ManualClock
from fleetpulse.health import Health
from fleetpulse.metrics import AgentMetrics
from fleetpulse.telemetry import Reading, a_reading_of
from generators.observed import Observed


@dataclass
class FakeSpool:
    depth: int = 0
    dropped: int = 0
    size_bytes: int = 512
    trouble: str = ""


@dataclass
class FakePublisher:
    published: int = 0
    outlet: str = "kafka"
    trouble: str = ""


class Bench:
    """An agent's parts, and what is told of them."""

    def __init__(self) -> None:
        self.spool, self.publisher = FakeSpool(), FakePublisher()
        self.clock, self.health, self.registry = ManualClock(), Health(), CollectorRegistry()
        self.observed = Observed(
            self.spool,
            self.publisher,
            clock=self.clock,
            health=self.health,
            metrics=AgentMetrics(self.registry),
        )

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.observed.look()


def a_reading(**channels: float | None) -> Reading:
    return a_reading_of("pi-1", "raspberry", 1_795_342_120_000, 1, **channels)


def test_a_kafka_that_takes_nothing_is_a_problem_until_it_takes_readings() -> None:
    bench = Bench()

    for depth in range(25):
        bench.spool.depth = depth
        bench.pass_time(1)
    early = dict(bench.health.problems())
    bench.pass_time(10)

    assert early == {}
    assert "kafka" in bench.health.problems()
    bench.publisher.published += 1
    bench.pass_time(1)
    assert bench.health.problems() == {}


def test_an_api_that_takes_nothing_is_named_with_its_own_reason() -> None:
    bench = Bench()
    bench.publisher.outlet, bench.spool.depth = "api", 2

    bench.pass_time(40)
    without_reason = dict(bench.health.problems())
    bench.publisher.trouble = "The API does not know this key (401)."
    bench.pass_time(1)

    assert without_reason == {"api": "The API takes no readings; they wait in the spool."}
    assert bench.health.problems() == {"api": "The API does not know this key (401)."}


def test_a_single_reading_that_was_refused_is_a_problem() -> None:
    bench = Bench()
    bench.spool.depth, bench.publisher.trouble = 1, "Kafka refuses the user."

    bench.pass_time(40)

    assert bench.health.problems() == {"kafka": "Kafka refuses the user."}


def test_the_one_reading_under_way_is_no_problem() -> None:
    bench = Bench()
    bench.spool.depth = 1

    bench.pass_time(100)

    assert bench.health.problems() == {}


def test_a_full_disk_is_a_problem_with_its_remedy() -> None:
    bench = Bench()
    bench.spool.trouble = "No space left on device"

    bench.pass_time(1)

    assert bench.health.problems() == {
        "spool": "The spool cannot be written (No space left on device); make room on the disk."
    }


def test_a_machine_that_cannot_be_measured_is_a_problem_until_it_can() -> None:
    bench = Bench()

    bench.observed.failed(RuntimeError("the sensor came off"))
    during = dict(bench.health.problems())
    bench.observed.reading(a_reading(load_pct=1.0))

    assert during == {"source": "The machine cannot be measured (RuntimeError)."}
    assert bench.health.problems() == {}
    assert bench.registry.get_sample_value("fleetpulse_agent_failed_readings_total") == 1


def test_a_value_that_stays_away_is_counted_and_one_never_there_is_not() -> None:
    bench = Bench()

    bench.observed.reading(a_reading(load_pct=1.0))
    bench.observed.reading(a_reading(load_pct=None))

    name = "fleetpulse_agent_missing_values_total"
    assert bench.registry.get_sample_value(name, {"channel": "load_pct"}) == 1
    assert bench.registry.get_sample_value(name, {"channel": "power_w"}) is None


def test_spool_and_publisher_are_counted() -> None:
    bench = Bench()
    bench.spool.depth, bench.spool.dropped, bench.publisher.published = 7, 3, 40

    bench.pass_time(1)

    numbers = {
        name: bench.registry.get_sample_value(f"fleetpulse_agent_{name}")
        for name in ("spool_readings", "spool_bytes")
    }
    assert numbers == {"spool_readings": 7, "spool_bytes": 512}
    assert bench.registry.get_sample_value("fleetpulse_agent_dropped_readings_total") == 3
    assert bench.registry.get_sample_value("fleetpulse_agent_published_readings_total") == 40
