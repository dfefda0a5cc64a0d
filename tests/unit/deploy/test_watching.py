"""Dashboards and rules ask for metrics that there are, each as its kind is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fleetpulse.metrics import METRIC, Kind
from tests.unit.deploy.composition import FOLDER, read, services

# Of Prometheus itself, and of its client library's process collector.
OTHERS = {
    "up": Kind.GAUGE,
    "ALERTS": Kind.GAUGE,
    "process_cpu_seconds_total": Kind.COUNTER,
    "process_resident_memory_bytes": Kind.GAUGE,
}
NAME = re.compile(r"\b(?:fleetpulse_\w+|process_\w+_\w+|up\b|ALERTS)")
OVER_TIME = re.compile(r"\b(rate|increase)\(([a-zA-Z_]+)")
BY = re.compile(r"\bby \(([\w, ]+)\)")
DASHBOARDS = sorted((FOLDER / "grafana/dashboards").glob("*.json"))
# Of every target, and of histograms and alerts.
GIVEN_LABELS = {"job", "instance", "le", "alertname", "alertstate"}


def rules() -> list[dict[str, Any]]:
    """Every rule."""
    return [rule for group in read("prometheus/rules.yaml")["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    """Every panel of every dashboard."""
    for file in DASHBOARDS:
        yield from json.loads(file.read_text())["panels"]


QUERIES = [target["expr"] for panel in panels() for target in panel["targets"]]
EXPRESSIONS = QUERIES + [rule["expr"] for rule in rules()]
each_expression = pytest.mark.parametrize("expression", EXPRESSIONS)


def kind_of(series: str) -> Kind | None:
    """What a series is; the parts of a histogram are counters. None: nobody tells it."""
    for suffix in ("_bucket", "_sum", "_count"):
        whole = METRIC.get(series.removesuffix(suffix))
        if series.endswith(suffix) and whole is not None and whole.kind is Kind.HISTOGRAM:
            return Kind.COUNTER
    found = METRIC.get(series)
    if found is not None and found.kind is not Kind.HISTOGRAM:
        return found.kind
    return OTHERS.get(series)


def without_labels(expression: str) -> str:
    """An expression without what is in braces and in `by (…)`."""
    return BY.sub("", re.sub(r"\{[^}]*\}", "", expression))


@each_expression
def test_a_query_names_metrics_that_are_told(expression: str) -> None:
    names = NAME.findall(without_labels(expression))

    assert names
    assert not [name for name in names if kind_of(name) is None]


@each_expression
def test_only_counters_are_asked_for_a_rate_and_they_for_nothing_else(expression: str) -> None:
    rated = [name for _, name in OVER_TIME.findall(expression)]

    assert {kind_of(name) for name in rated} <= {Kind.COUNTER}
    counters = [name for name in NAME.findall(without_labels(expression)) if is_counter(name)]
    assert sorted(rated) == sorted(counters)


def is_counter(name: str) -> bool:
    return kind_of(name) is Kind.COUNTER


@each_expression
def test_a_query_names_labels_that_its_metrics_have(expression: str) -> None:
    asked = {label.strip() for found in BY.findall(expression) for label in found.split(",")}
    asked |= set(re.findall(r"(\w+)(?:=~?|!=)\"", expression))
    had = {
        label
        for name in NAME.findall(without_labels(expression))
        for metric in (METRIC.get(name), METRIC.get(re.sub(r"_(bucket|sum|count)$", "", name)))
        if metric is not None
        for label in metric.labels
    }

    assert asked <= had | GIVEN_LABELS


def test_almost_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(QUERIES)

    missing = {name for name in METRIC if name not in shown}

    assert missing == {
        "fleetpulse_agent_spool_bytes",  # the readings in it are
        "fleetpulse_consumer_assigned_partitions",
        "fleetpulse_consumer_last_batch_timestamp_seconds",  # a rule is about it
        "fleetpulse_consumer_shadow_outcomes_total",  # of days, not of hours: docs/models.md
        "fleetpulse_bot_last_ping_timestamp_seconds",
    }


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_is_well_formed(file: Any) -> None:
    board = json.loads(file.read_text())
    sources = {read("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]["uid"]}
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert board["uid"] == file.stem
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == sources
    assert all(panel["title"] and panel["description"] for panel in board["panels"])
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    (provider,) = read("grafana/provisioning/dashboards/fleetpulse.yaml")["providers"]
    (source,) = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    said = services()["grafana"]
    home = said["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in said["volumes"]
    assert home.removeprefix(f"{provider['options']['path']}/") in {f.name for f in DASHBOARDS}
    assert source["url"] == "http://prometheus:9090"


def test_every_rule_is_tried_and_says_what_to_do() -> None:
    tried = {
        case["alertname"]
        for test in read("prometheus/rules_test.yaml")["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }

    assert tried == {rule["alert"] for rule in rules()}
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules())


def test_prometheus_reads_the_rules_and_tells_alertmanager() -> None:
    said = read("prometheus/prometheus.yaml")
    (alertmanagers,) = said["alerting"]["alertmanagers"]
    (port,) = services()["alertmanager"]["ports"]

    assert said["rule_files"] == ["rules.yaml"]
    assert (FOLDER / "prometheus/rules.yaml").exists()
    assert alertmanagers == {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    assert port == "127.0.0.1:9093:9093"


def test_who_is_found_by_name_is_called_by_it() -> None:
    jobs = read("prometheus/prometheus.yaml")["scrape_configs"]
    (job,) = [job for job in jobs if job["job_name"] == "fleetpulse"]
    (rule,) = job["relabel_configs"]

    found = re.fullmatch(rule["regex"], "bot;172.18.0.7:9102")
    assert found is not None
    assert found.expand(rule["replacement"].replace("$", "\\")) == "bot:9102"
    assert re.fullmatch(rule["regex"], ";consumer:9101") is None
    assert rule["source_labels"] == ["__meta_dns_name", "__address__"]
    assert rule["target_label"] == "instance"
    assert {name for each in job["dns_sd_configs"] for name in each["names"]} == {
        name for name, said in services().items() if "profiles" in said
    }


def test_a_process_that_is_gone_is_not_told_as_unwell_too_and_no_other_alert_is_held_back() -> None:
    said = read("alertmanager/alertmanager.yaml")
    (inhibition,) = said["inhibit_rules"]

    assert inhibition == {
        "source_matchers": ['alertname="FleetpulseProcessGone"'],
        "target_matchers": ['alertname="FleetpulseNotReady"'],
        "equal": ["instance"],
    }
    assert {"FleetpulseProcessGone", "FleetpulseNotReady"} <= {rule["alert"] for rule in rules()}
    assert said["route"].keys() & {"routes", "mute_time_intervals"} == set()
    assert said["route"]["receiver"] in {each["name"] for each in said["receivers"]}
