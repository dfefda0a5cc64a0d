"""What each service of the compose file is: its image, what it is told, whom it waits for."""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

import pytest

from scripts.command_line import understood
from tests.unit.deploy.composition import FOLDER, ROOT, SETTINGS, folder_of, services

STORE = {"FLEETPULSE_STORE", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"}
MODELS = {"FLEETPULSE_MODELS", "FLEETPULSE_MODEL_KEY"}
KAFKA = {"KAFKA_BROKER_SETTINGS", "FLEETPULSE_PARTITIONS"}
# Every variable that a process of ours is given, no more and no less.
TOLD = {
    "first-start": STORE | MODELS,
    "api": STORE | MODELS | KAFKA | {"FLEETPULSE_ALLOWED_HOSTS", "FLEETPULSE_TRUSTED_PROXIES"},
    "consumer": STORE | MODELS | KAFKA,
    "bot": STORE
    | {
        "TELEGRAM_TOKEN",
        "FLEETPULSE_TELEGRAM_API",
        "FLEETPULSE_TELEGRAM_CHATS",
        "FLEETPULSE_PING_URL",
    },
    "notify": STORE | {"FLEETPULSE_NOTIFY", "FLEETPULSE_NOTIFY_PRIVATE"},
    "agent": KAFKA,
}
HEALTHY = {"condition": "service_healthy"}
DONE = {"condition": "service_completed_successfully"}
WAITS_FOR = {
    "first-start": {"dynamodb": HEALTHY, "s3": HEALTHY},
    "api": {"first-start": DONE, "kafka": HEALTHY},
    "consumer": {"first-start": DONE, "kafka": HEALTHY},
    "bot": {"first-start": DONE},
    "notify": {"first-start": DONE},
    "agent": {"kafka": HEALTHY},
    "prometheus": {"first-start": DONE},
    "grafana": {"prometheus": HEALTHY},
}


class Other(NamedTuple):
    """A service whose image is not ours."""

    image: str
    data: str  # where its volume is
    told: tuple[str, ...]  # so that data lie there, and so that it listens where it is asked
    health: str  # what its health check asks
    own_keys: frozenset[str] = frozenset()  # what else it may say of itself


OTHERS = {
    "kafka": Other(
        "apache/kafka",
        "/var/lib/kafka/data",
        (
            "KAFKA_LOG_DIRS=/var/lib/kafka/data",
            "KAFKA_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://kafka:9092",
        ),
        "exec 3<>/dev/tcp/127.0.0.1/9092",
    ),
    "dynamodb": Other(
        "amazon/dynamodb-local",
        "/home/dynamodblocal/data",
        ("-sharedDb -dbPath ./data",),  # it listens on 8000 unless told otherwise
        "exec 3<>/dev/tcp/127.0.0.1/8000",
        frozenset({"user", "cap_add", "working_dir"}),
    ),
    "s3": Other(
        "andrewgaul/s3proxy",
        "/data",
        (
            "JCLOUDS_PROVIDER=filesystem-nio2",
            "JCLOUDS_FILESYSTEM_BASEDIR=/data",
            "S3PROXY_ENDPOINT=http://0.0.0.0:8080",
            "S3PROXY_AUTHORIZATION=aws-v2-or-v4",
            "S3PROXY_CREDENTIAL=${AWS_SECRET_ACCESS_KEY:?",
        ),
        "exec 3<>/dev/tcp/127.0.0.1/8080",
    ),
    "prometheus": Other(
        "prom/prometheus",
        "/prometheus",
        ("--config.file=/etc/prometheus/prometheus.yaml", "--storage.tsdb.path=/prometheus"),
        "http://127.0.0.1:9090/-/healthy",
        frozenset({"group_add", "read_only"}),
    ),
    "alertmanager": Other(
        "prom/alertmanager",
        "/alertmanager",
        ("--config.file=/etc/alertmanager/alertmanager.yaml", "--storage.path=/alertmanager"),
        "http://127.0.0.1:9093/-/healthy",
        frozenset({"read_only"}),
    ),
    "grafana": Other(
        "grafana/grafana",
        "/var/lib/grafana",  # its own default
        ("GF_SECURITY_ADMIN_PASSWORD=${GRAFANA_PASSWORD:?", "GF_USERS_ALLOW_SIGN_UP=false"),
        "http://127.0.0.1:3000/api/health",
    ),
}
# What would lose data, open a door, or move what is asked for above.
NO_OTHER_SAYS = r"-inMemory|-port\b|web\.listen-address|web\.enable|GF_PATHS|GF_SERVER"
GRAFANA_IS_TOLD = {
    "GF_SECURITY_ADMIN_PASSWORD",
    "GF_USERS_ALLOW_SIGN_UP",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH",
}
EVERYONE_SAYS = {"restart", "cap_drop", "security_opt", "logging", "image", "environment"}
EVERYONE_SAYS |= {"volumes", "mem_limit", "command", "depends_on", "ports"}
OURS_SAY = EVERYONE_SAYS | {"build", "profiles", "read_only", "tmpfs", "stop_grace_period"}

each = pytest.mark.parametrize("service", services())
each_of_ours = pytest.mark.parametrize("service", SETTINGS)
each_other = pytest.mark.parametrize("service", OTHERS)


def told(service: str) -> str:
    """Command and environment of a service, in one line."""
    said: dict[str, Any] = services()[service]
    variables = [f"{name}={value}" for name, value in said.get("environment", {}).items()]
    return " ".join([*said.get("command", ()), *variables])


def test_every_service_is_known() -> None:
    assert SETTINGS.keys() | OTHERS.keys() == services().keys()


@each_of_ours
def test_a_process_is_given_what_it_needs(service: str) -> None:
    assert services()[service]["environment"].keys() == TOLD[service]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "FLEETPULSE_STORE",
            "dynamodb://fleetpulse?region=eu-central-1&endpoint=http://dynamodb:8000",
        ),
        (
            "FLEETPULSE_MODELS",
            "s3://fleetpulse-models/models?region=us-east-1&endpoint=http://s3:8080",
        ),
        ("KAFKA_BROKER_SETTINGS", "kafka:9092"),
        ("FLEETPULSE_PARTITIONS", "4"),
    ],
)
def test_all_processes_meet_at_one_place(name: str, value: str) -> None:
    said = [services()[service]["environment"] for service in SETTINGS]

    assert {each[name] for each in said if name in each} == {value}


@each
def test_a_service_waits_for_those_that_it_cannot_start_without(service: str) -> None:
    assert services()[service].get("depends_on", {}) == WAITS_FOR.get(service, {})


@each
def test_what_ends_is_started_again_and_has_time_to_end(service: str) -> None:
    said = services()[service]

    once = service == "first-start"
    assert said["restart"] == ("on-failure:5" if once else "unless-stopped")
    grace = "15s" if service in SETTINGS else {"kafka": "60s"}.get(service)
    assert said.get("stop_grace_period") == grace


@each_of_ours
def test_a_process_runs_as_its_image_says_and_its_health_is_asked(service: str) -> None:
    own = {"entrypoint", "healthcheck"} if service == "first-start" else set()

    assert services()[service].keys() <= OURS_SAY | own


def test_the_first_start_runs_its_script_and_ends() -> None:
    said = services()["first-start"]

    assert said["entrypoint"] == ["python", "/first_start.py"]
    assert "./first_start.py:/first_start.py:ro" in said["volumes"]
    assert said["healthcheck"] == {"disable": True}
    assert "command" not in said


@each_of_ours
def test_a_process_understands_the_words_that_it_is_given(service: str) -> None:
    if words := services()[service].get("command"):
        module = importlib.import_module(folder_of(service).replace("/", ".") + ".__main__")

        understood(module.main, words)
    assert (words is not None) == (service == "agent")


@each_other
def test_an_image_of_others_is_one_that_the_page_names(service: str) -> None:
    image = services()[service]["image"].partition(":")[0]

    assert image == OTHERS[service].image
    assert f"| `{image}` |" in (ROOT / "docs/deploy.md").read_text()


@each_other
def test_a_server_keeps_its_data_in_its_volume(service: str) -> None:
    other = OTHERS[service]

    assert f"{service}:{other.data}" in services()[service]["volumes"]
    for part in other.told:
        assert part in told(service)
    assert not re.search(NO_OTHER_SAYS, told(service))


def test_dynamodb_starts_where_its_folder_of_data_is() -> None:
    said = services()["dynamodb"]

    assert f"{said['working_dir']}/data" == OTHERS["dynamodb"].data
    assert said["user"] == "root"  # its image's own user cannot write to a new volume


@each_other
def test_the_health_of_a_server_is_asked_where_it_listens(service: str) -> None:
    said, asked = services()[service], OTHERS[service].health
    how = ["bash", "-c"] if asked.startswith("exec") else ["wget", "-q", "--spider"]
    (port,) = re.findall(r"127\.0\.0\.1[:/](\d+)", asked)

    assert said["healthcheck"]["test"] == ["CMD", *how, asked]
    assert said["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}
    assert all(each.endswith(f":{port}") for each in said.get("ports", ()))


@each_other
def test_a_server_says_nothing_else_of_itself(service: str) -> None:
    known = EVERYONE_SAYS | {"healthcheck", "stop_grace_period"} | OTHERS[service].own_keys

    assert services()[service].keys() <= known


@pytest.mark.parametrize("service", ["prometheus", "alertmanager"])
def test_a_configuration_is_where_its_server_reads_it(service: str) -> None:
    (file,) = re.findall(rf"--config\.file=/etc/{service}/(\S+)", told(service))

    assert f"./{service}:/etc/{service}:ro" in services()[service]["volumes"]
    assert (FOLDER / service / file).exists()


def test_grafana_lets_nobody_in_without_a_password() -> None:
    assert services()["grafana"]["environment"].keys() == GRAFANA_IS_TOLD
