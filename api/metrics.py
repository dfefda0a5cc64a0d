"""What Prometheus is told: read from the store when it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from api.parts import Parts
from fleetpulse.alerts import Status
from fleetpulse.metrics import gauge_family
from fleetpulse.presence import status_now
from fleetpulse.stores.pages import all_alerts, all_devices

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def metrics_text(parts: Parts) -> bytes:
    """Every metric in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(FleetCollector(parts))
    return generate_latest(registry)


class FleetCollector(Collector):
    """The fleet in numbers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        yield self._devices()
        yield self._open_alerts()
        yield self._heartbeats()

    def describe(self) -> Iterator[Metric]:
        """Nothing: without this, registering would already ask the store."""
        return iter(())

    def _devices(self) -> Metric:
        parts, now = self._parts, self._parts.clock.now_ms()
        names = [device.device_id for device in all_devices(parts.store)]
        latest = parts.store.readings.latest_of(names)
        counts = Counter(status_now(latest.get(name), now, parts.stale_after_ms) for name in names)
        metric = gauge_family("fleetpulse_devices")
        for status in Status:
            metric.add_metric([str(status)], counts[status])
        return metric

    def _open_alerts(self) -> Metric:
        counts = Counter(alert.rule for alert in all_alerts(self._parts.store, open_only=True))
        metric = gauge_family("fleetpulse_open_alerts")
        for rule, count in sorted(counts.items()):
            metric.add_metric([rule], count)
        return metric

    def _heartbeats(self) -> Metric:
        metric = gauge_family("fleetpulse_heartbeat_age_seconds")
        now = self._parts.clock.now_ms()
        for beat in self._parts.store.heartbeats.all():
            metric.add_metric([beat.process], max(0, now - beat.at) / 1000)
        return metric
