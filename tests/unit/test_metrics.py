"""Metrics: one table, names by Prometheus' rules, and classes that make exactly its rows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fleetpulse.health import Health
from fleetpulse.metrics import (
    METRICS,
    AgentMetrics,
    BotMetrics,
    ConsumerMetrics,
    DeliveryMetrics,
    Following,
    Kind,
    Metric,
    counter,
    new_registry,
)
from scripts.write_docs import metrics_page

MAKERS: dict[str, Callable[[CollectorRegistry], object]] = {
    "agent": AgentMetrics,
    "consumer": ConsumerMetrics,
    "delivery": DeliveryMetrics,
    "bot": BotMetrics,
}
PARTS = {"bot": {"bot", "delivery"}}
# The last word of a name: a unit, what is counted, or a word for yes and no.
LAST_WORDS = {
    "bytes", "seconds", "records", "readings", "rows", "letters", "events", "partitions",
    "messages", "deliveries", "chats", "values", "devices", "alerts", "holds", "outcomes",
    "ready", "held", "trouble", "info", "written",
}  # fmt: skip

each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def a_registry(health: Health | None = None) -> CollectorRegistry:
    return new_registry("test", health or Health())


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample of a registry, as Prometheus would parse it: name{label=value} -> value."""
    text = generate_latest(registry).decode()
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())):
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }  # fmt: skip


@each_metric
def test_a_name_follows_prometheus_rules(metric: Metric) -> None:
    words = metric.name.removesuffix("_total").split("_")

    assert re.fullmatch(r"fleetpulse(_[a-z]+)+", metric.name)
    assert words[-1] in LAST_WORDS
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith("_info") == (metric.kind is Kind.INFO)
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created"))


@each_metric
def test_a_metric_is_explained_in_a_sentence(metric: Metric) -> None:
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert metric.help.endswith(".")


@each_metric
def test_histograms_and_only_they_have_buckets(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_no_name_is_used_twice() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("process", MAKERS)
def test_a_process_makes_the_rows_that_are_its_own(process: str) -> None:
    registry = CollectorRegistry()

    MAKERS[process](registry)

    made = {
        family.name + ("_total" if family.type == "counter" else "")
        + ("_info" if family.type == "info" else "")
        for family in registry.collect()
    }  # fmt: skip
    assert made == {
        metric.name for metric in METRICS if metric.process in PARTS.get(process, {process})
    }


def test_every_process_tells_its_version_memory_and_health() -> None:
    samples = scraped(a_registry())

    assert any(name.startswith("fleetpulse_build_info process=test version=") for name in samples)
    assert samples["process_resident_memory_bytes"] > 0
    assert samples["fleetpulse_ready"] == 1


def test_a_part_in_trouble_is_told_until_it_is_well_again() -> None:
    health = Health()
    registry = a_registry(health)

    health.report("store", "The disk is full.")
    during = scraped(registry)
    health.report("store", None)
    after = scraped(registry)

    assert during["fleetpulse_ready"] == 0
    assert during["fleetpulse_trouble part=store"] == 1
    assert after["fleetpulse_ready"] == 1
    assert "fleetpulse_trouble part=store" not in after


def test_the_lag_of_a_partition_that_was_given_away_is_told_no_more() -> None:
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)

    metrics.lag({("telemetry.pc", 0): 7, ("telemetry.pc", 1): 9})
    metrics.lag({("telemetry.pc", 1): 0})

    samples = scraped(registry)
    assert samples["fleetpulse_consumer_lag_records partition=1 topic=telemetry.pc"] == 0
    assert samples["fleetpulse_consumer_assigned_partitions"] == 1
    assert "fleetpulse_consumer_lag_records partition=0 topic=telemetry.pc" not in samples


def test_a_count_that_is_kept_elsewhere_is_followed_and_never_falls() -> None:
    registry = CollectorRegistry()
    dropped = Following(counter(registry, "fleetpulse_agent_dropped_readings_total"))

    for count in (40, 40, 39, 45):
        dropped.follow(count)

    assert scraped(registry)["fleetpulse_agent_dropped_readings_total"] == 45


def test_the_model_that_serves_now_is_the_only_one_told() -> None:
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)

    metrics.model.info({"version": "1"})
    metrics.model.info({"version": "2"})

    models = [name for name in scraped(registry) if "model_info" in name]
    assert models == ["fleetpulse_consumer_model_info version=2"]


@each_metric
def test_a_metric_is_on_the_page_of_metrics(metric: Metric) -> None:
    assert f"| `{metric.name}` |" in metrics_page()
