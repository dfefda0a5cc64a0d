"""Every metric of every process, as rows of one table; docs/metrics.md is made from it.

A process makes its own class below on a registry, and fills it; /metrics tells (fleetpulse/ops.py).
Names are a contract: dashboards and alert rules are written against them. They follow
https://prometheus.io/docs/practices/naming/: base units, the unit in the name, `_total` on counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fleetpulse import __version__
from fleetpulse.health import Health

BRIEF_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PATIENT_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
ROWS = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 50_000.0)


class Kind(StrEnum):
    """What a metric's value is, as Prometheus sees it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"  # always 1; its labels say it


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row: its name as it is scraped, and what it tells."""

    name: str
    kind: Kind
    process: str  # whose it is; `every`: of all but the API; `delivery`: of bot and notify
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: tuple[Metric, ...] = (
    # -- every process that answers on FLEETPULSE_OPS_PORT
    Metric(
        name="fleetpulse_build_info",
        kind=Kind.INFO,
        process="every",
        labels=("process", "version"),
        help="Which process this is, and of which version.",
    ),
    Metric(
        name="fleetpulse_ready",
        kind=Kind.GAUGE,
        process="every",
        help="1 while /readyz answers 200, else 0.",
    ),
    Metric(
        name="fleetpulse_trouble",
        kind=Kind.GAUGE,
        process="every",
        labels=("part",),
        help="1 for each part that is not well; /readyz says what is wrong with it.",
    ),
    # -- the consumer
    Metric(
        name="fleetpulse_consumer_lag_records",
        kind=Kind.GAUGE,
        process="consumer",
        labels=("topic", "partition"),
        help="Records of an assigned partition that are not yet committed.",
    ),
    Metric(
        name="fleetpulse_consumer_assigned_partitions",
        kind=Kind.GAUGE,
        process="consumer",
        help="Partitions that this member of the group has.",
    ),
    Metric(
        name="fleetpulse_consumer_batch_readings",
        kind=Kind.HISTOGRAM,
        process="consumer",
        buckets=ROWS,
        help="Readings of a batch; empty batches are not counted.",
    ),
    Metric(
        name="fleetpulse_consumer_stage_seconds",
        kind=Kind.HISTOGRAM,
        process="consumer",
        labels=("stage",),
        buckets=BRIEF_S,
        help="Time that a stage took for a batch.",
    ),
    Metric(
        name="fleetpulse_consumer_rows_written_total",
        kind=Kind.COUNTER,
        process="consumer",
        help="Readings that the store has taken; a repeated batch counts again.",
    ),
    Metric(
        name="fleetpulse_consumer_dead_letters_total",
        kind=Kind.COUNTER,
        process="consumer",
        labels=("cause",),
        help="Records that can never be readings, by cause (docs/wire.md).",
    ),
    Metric(
        name="fleetpulse_consumer_alert_events_total",
        kind=Kind.COUNTER,
        process="consumer",
        labels=("state",),
        help="Alert events that were stored, by their new state.",
    ),
    Metric(
        name="fleetpulse_consumer_shadow_outcomes_total",
        kind=Kind.COUNTER,
        process="consumer",
        labels=("rule", "version", "role", "outcome"),
        help="While a candidate scores in the shadow: warnings of it and of the model in use that"
        " were true or false, and limits that each missed (docs/models.md).",
    ),
    Metric(
        name="fleetpulse_consumer_holds_total",
        kind=Kind.COUNTER,
        process="consumer",
        help="How often all partitions were paused because store or broker asked for time.",
    ),
    Metric(
        name="fleetpulse_consumer_held",
        kind=Kind.GAUGE,
        process="consumer",
        help="1 while partitions are paused for that, else 0.",
    ),
    Metric(
        name="fleetpulse_consumer_store_write_seconds",
        kind=Kind.HISTOGRAM,
        process="consumer",
        buckets=BRIEF_S,
        help="Time that the store took to save a batch.",
    ),
    Metric(
        name="fleetpulse_consumer_last_batch_timestamp_seconds",
        kind=Kind.GAUGE,
        process="consumer",
        help="Unix time when the newest batch was committed.",
    ),
    Metric(
        name="fleetpulse_consumer_model_info",
        kind=Kind.INFO,
        process="consumer",
        labels=("version",),
        help="The model that scores now.",
    ),
    # -- an agent
    Metric(
        name="fleetpulse_agent_spool_readings",
        kind=Kind.GAUGE,
        process="agent",
        help="Readings that wait in the spool.",
    ),
    Metric(
        name="fleetpulse_agent_spool_bytes",
        kind=Kind.GAUGE,
        process="agent",
        help="Size of the spool on the disk; FLEETPULSE_SPOOL_BYTES is its cap.",
    ),
    Metric(
        name="fleetpulse_agent_dropped_readings_total",
        kind=Kind.COUNTER,
        process="agent",
        help="Readings that the spool has given up, from its first day on.",
    ),
    Metric(
        name="fleetpulse_agent_published_readings_total",
        kind=Kind.COUNTER,
        process="agent",
        help="Readings that Kafka has acknowledged.",
    ),
    Metric(
        name="fleetpulse_agent_failed_readings_total",
        kind=Kind.COUNTER,
        process="agent",
        help="Readings that could not be taken at all; the log says why.",
    ),
    Metric(
        name="fleetpulse_agent_missing_values_total",
        kind=Kind.COUNTER,
        process="agent",
        labels=("channel",),
        help="Values missing from a reading though an earlier one had them, by channel.",
    ),
    Metric(
        name="fleetpulse_agent_last_reading_timestamp_seconds",
        kind=Kind.GAUGE,
        process="agent",
        help="Unix time of the newest reading.",
    ),
    # -- delivery
    Metric(
        name="fleetpulse_delivery_sent_messages_total",
        kind=Kind.COUNTER,
        process="delivery",
        help="Warnings and summaries that a chat has got; answers to commands are not counted.",
    ),
    Metric(
        name="fleetpulse_delivery_failed_messages_total",
        kind=Kind.COUNTER,
        process="delivery",
        help="Messages that were given up.",
    ),
    Metric(
        name="fleetpulse_delivery_postponed_messages_total",
        kind=Kind.COUNTER,
        process="delivery",
        help="Attempts to send that failed and are repeated later.",
    ),
    Metric(
        name="fleetpulse_delivery_seconds",
        kind=Kind.HISTOGRAM,
        process="delivery",
        buckets=PATIENT_S,
        help="Time from an event's storing to the message; those told in a summary are left out.",
    ),
    Metric(
        name="fleetpulse_delivery_queued_deliveries",
        kind=Kind.GAUGE,
        process="delivery",
        help="Deliveries that wait in the store, those that are not due yet too.",
    ),
    Metric(
        name="fleetpulse_delivery_waiting_chats",
        kind=Kind.GAUGE,
        process="delivery",
        help="Chats that take no messages just now.",
    ),
    # -- the bot
    Metric(
        name="fleetpulse_bot_last_ping_timestamp_seconds",
        kind=Kind.GAUGE,
        process="bot",
        help="Unix time when FLEETPULSE_PING_URL was last asked with success.",
    ),
    # -- the API
    Metric(
        name="fleetpulse_devices",
        kind=Kind.GAUGE,
        process="api",
        labels=("status",),
        help="Devices by their status now.",
    ),
    Metric(
        name="fleetpulse_open_alerts",
        kind=Kind.GAUGE,
        process="api",
        labels=("rule",),
        help="Alerts that are not over, by rule.",
    ),
    Metric(
        name="fleetpulse_heartbeat_age_seconds",
        kind=Kind.GAUGE,
        process="api",
        labels=("process",),
        help="Seconds since a process last said that it is alive.",
    ),
)
METRIC: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def new_registry(process: str, health: Health) -> CollectorRegistry:
    """A registry with what every process tells of itself: its version, problems, memory, CPU."""
    # Else each count has a second series, of when it began, which nobody reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_HealthCollector(health))
    info(registry, "fleetpulse_build_info").info({"process": process, "version": __version__})
    return registry


def counter(registry: CollectorRegistry, name: str) -> Counter:
    """The counter of that row, on this registry."""
    row = METRIC[name]
    return Counter(row.name, row.help, row.labels, registry=registry)


def gauge(registry: CollectorRegistry, name: str) -> Gauge:
    """The gauge of that row, on this registry."""
    row = METRIC[name]
    return Gauge(row.name, row.help, row.labels, registry=registry)


def histogram(registry: CollectorRegistry, name: str) -> Histogram:
    """The histogram of that row, on this registry."""
    row = METRIC[name]
    return Histogram(row.name, row.help, row.labels, buckets=row.buckets, registry=registry)


def info(registry: CollectorRegistry, name: str) -> Info:
    """The info of that row, on this registry; it is filled with the row's labels."""
    row = METRIC[name]
    return Info(row.name.removesuffix("_info"), row.help, registry=registry)


def gauge_family(name: str) -> GaugeMetricFamily:
    """The gauge of that row for a collector that works its values out when it is asked."""
    row = METRIC[name]
    return GaugeMetricFamily(row.name, row.help, labels=row.labels)


class Following:
    """A counter that follows a count which is kept elsewhere."""

    def __init__(self, total: Counter) -> None:
        self._total, self._seen = total, 0

    def follow(self, count: int) -> None:
        """The count is this now; a lower one than before changes nothing."""
        self._total.inc(max(0, count - self._seen))
        self._seen = max(self._seen, count)


class ConsumerMetrics:
    """What a consumer tells."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag_records = gauge(registry, "fleetpulse_consumer_lag_records")
        self.assigned_partitions = gauge(registry, "fleetpulse_consumer_assigned_partitions")
        self.batch_readings = histogram(registry, "fleetpulse_consumer_batch_readings")
        self.stage_seconds = histogram(registry, "fleetpulse_consumer_stage_seconds")
        self.rows_written = counter(registry, "fleetpulse_consumer_rows_written_total")
        self.dead_letters = counter(registry, "fleetpulse_consumer_dead_letters_total")
        self.alert_events = counter(registry, "fleetpulse_consumer_alert_events_total")
        self.shadow_outcomes = counter(registry, "fleetpulse_consumer_shadow_outcomes_total")
        self.holds = counter(registry, "fleetpulse_consumer_holds_total")
        self.held = gauge(registry, "fleetpulse_consumer_held")
        self.store_write_seconds = histogram(registry, "fleetpulse_consumer_store_write_seconds")
        self.last_batch_at = gauge(registry, "fleetpulse_consumer_last_batch_timestamp_seconds")
        self.model = info(registry, "fleetpulse_consumer_model_info")
        self._lagging: set[tuple[str, int]] = set()

    def lag(self, records: Mapping[tuple[str, int], int]) -> None:
        """The lag of every assigned partition, (topic, partition); others are told no more."""
        for topic, partition in self._lagging - set(records):
            self.lag_records.remove(topic, str(partition))
        for (topic, partition), lag in records.items():
            self.lag_records.labels(topic=topic, partition=partition).set(lag)
        self._lagging = set(records)
        self.assigned_partitions.set(len(records))


class AgentMetrics:
    """What an agent tells."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.spool_readings = gauge(registry, "fleetpulse_agent_spool_readings")
        self.spool_bytes = gauge(registry, "fleetpulse_agent_spool_bytes")
        self.dropped = Following(counter(registry, "fleetpulse_agent_dropped_readings_total"))
        self.published = Following(counter(registry, "fleetpulse_agent_published_readings_total"))
        self.failed = counter(registry, "fleetpulse_agent_failed_readings_total")
        self.missing_values = counter(registry, "fleetpulse_agent_missing_values_total")
        self.last_reading_at = gauge(registry, "fleetpulse_agent_last_reading_timestamp_seconds")


class DeliveryMetrics:
    """What is delivered, by the bot or by notify."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = counter(registry, "fleetpulse_delivery_sent_messages_total")
        self.failed = counter(registry, "fleetpulse_delivery_failed_messages_total")
        self.postponed = counter(registry, "fleetpulse_delivery_postponed_messages_total")
        self.delivery_seconds = histogram(registry, "fleetpulse_delivery_seconds")
        self.queued = gauge(registry, "fleetpulse_delivery_queued_deliveries")
        self.waiting_chats = gauge(registry, "fleetpulse_delivery_waiting_chats")


class BotMetrics(DeliveryMetrics):
    """What the bot tells."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.last_ping_at = gauge(registry, "fleetpulse_bot_last_ping_timestamp_seconds")


class _HealthCollector(Collector):
    """A process' problems, as they are when it is asked."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        problems = self._health.problems()
        ready = gauge_family("fleetpulse_ready")
        ready.add_metric([], 0 if problems else 1)
        yield ready
        trouble = gauge_family("fleetpulse_trouble")
        for part in sorted(problems):
            trouble.add_metric([part], 1)
        yield trouble
