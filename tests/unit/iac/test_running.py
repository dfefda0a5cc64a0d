"""What runs on AWS: containers, services, who reaches them, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetpulse.settings import DataSettings, load
from fleetpulse.stores.dynamodb_client import Address
from tests.unit import test_house_images as images
from tests.unit.iac.configuration import FOLDER, PROCESSES, Installation, named
from tests.unit.iac.test_services import SETTINGS

FOLDERS = {process: folder for folder, process in images.EXTRAS.items() if process != "agent"}
COMMANDS = {
    "api": ["api"],
    "consumer": ["consume", "hardware"],
    "bot": ["bot"],
    "notify": ["notify"],
}
STORE = "dynamodb://fleetpulse-dev?region=us-east-1&layout=reading"
BROKERS = "b-1.fleet.example.org:9096"
BUCKET = "s3://aws_s3_bucket.models.bucket/models?region=us-east-1"
OF_ALL = {"FLEETPULSE_DATA": "/data", "FLEETPULSE_LOG": "json", "FLEETPULSE_STORE": STORE}
OF_KAFKA = {"KAFKA_SASL_MECHANISM": "PLAIN", "FLEETPULSE_PARTITIONS": "12"}
TOLD: dict[str, dict[str, str]] = {
    "api": OF_ALL
    | OF_KAFKA
    | {
        "FLEETPULSE_HOST": "0.0.0.0",  # noqa: S104
        "FLEETPULSE_PORT": "8000",
        "FLEETPULSE_ALLOWED_HOSTS": "fleet-dev.example.org",
        "FLEETPULSE_TRUSTED_PROXIES": "1",
        "FLEETPULSE_MODELS": BUCKET,
    },
    "consumer": OF_ALL
    | OF_KAFKA
    | {
        "FLEETPULSE_OPS_HOST": "0.0.0.0",  # noqa: S104
        "FLEETPULSE_OPS_PORT": "9101",
        "FLEETPULSE_MODELS": BUCKET,
        "FLEETPULSE_BATCH_MS": "200",
    },
    "bot": OF_ALL
    | {
        "FLEETPULSE_OPS_HOST": "0.0.0.0",  # noqa: S104
        "FLEETPULSE_OPS_PORT": "9102",
        "FLEETPULSE_TELEGRAM_CHATS": "1,-2",
    },
    "notify": OF_ALL | {"FLEETPULSE_OPS_HOST": "0.0.0.0", "FLEETPULSE_OPS_PORT": "9103"},  # noqa: S104
}
SECRET_VALUES = {
    "KAFKA_BROKER_SETTINGS": "pkc-1.confluent.cloud:9092",
    "TELEGRAM_TOKEN": "1:token",
    "FLEETPULSE_PING_URL": "",
    "FLEETPULSE_NOTIFY": "home=mailtos://fleet.example.org",
}
# Kind and name of a rule -> group it is of, ports, and whom it lets through.
Rule = tuple[str, int, int, str]
INGRESS: dict[str, list[Rule]] = {
    "https": [("load_balancer", 443, 443, "0.0.0.0/0")],
    "api_from_load_balancer": [("service.api", 8000, 8000, "load_balancer")],
    "kafka_from_service": [
        ("kafka[0]", 9096, 9096, "service.api"),
        ("kafka[0]", 9096, 9096, "service.consumer"),
    ],
    "kafka_from_admin": [("kafka[0]", 9098, 9098, "kafka_admin[0]")],
    "endpoints_from_service": [
        ("endpoints", 443, 443, f"service.{process}") for process in PROCESSES
    ],
}
EGRESS: dict[str, list[Rule]] = {
    "load_balancer_to_api": [("load_balancer", 8000, 8000, "service.api")],
    "admin_to_kafka": [("kafka_admin[0]", 9098, 9098, "kafka[0]")],
    "admin_out": [("kafka_admin[0]", 443, 443, "0.0.0.0/0")],
    "service_out": [(f"service.{process}", 1, 65535, "0.0.0.0/0") for process in PROCESSES],
}

SICK_FOR_S = 60  # after which a task is replaced
STARTS_WITHIN_S = 60  # what a process may take before it counts as sick

each_process = pytest.mark.parametrize("process", PROCESSES)


def test_all_of_a_process_is_there_or_nothing_of_it() -> None:
    here = Installation(processes=["api", "consumer"])
    made = {
        kind: set(here.made(*kind))
        for kind in [
            ("aws_ecs_task_definition", "of"),
            ("aws_ecs_service", "of"),
            ("aws_iam_role", "task"),
            ("aws_iam_role", "start"),
            ("aws_iam_role_policy", "store"),
            ("aws_iam_role_policy", "start"),
            ("aws_cloudwatch_log_group", "service"),
            ("aws_cloudwatch_metric_alarm", "gone"),
            ("aws_cloudwatch_metric_alarm", "errors"),
            ("aws_cloudwatch_log_metric_filter", "errors"),
            ("aws_security_group", "service"),
        ]
    }

    assert made == dict.fromkeys(made, {"api", "consumer"})
    assert set(here.local("secrets")) == {"models", "kafka"}
    assert set(here.local("containers")) == {"api", "consumer"}


def test_all_four_run_unless_said_otherwise() -> None:
    here = Installation()

    assert set(here.local("running")) == set(PROCESSES)
    assert set(here.local("secrets")) == {"models", "kafka", "telegram", "notify"}


@each_process
def test_a_process_is_told_this(process: str) -> None:
    assert Installation(telegram_chats=["1", "-2"]).environment(process) == TOLD[process]


@pytest.mark.parametrize(
    ("given", "process", "told"),
    [
        ({"kafka": "msk"}, "api", {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}),
        ({"kafka": "msk"}, "consumer", {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}),
        ({"store_layout": "minute"}, "consumer", {"FLEETPULSE_BATCH_MS": "2000"}),
        ({"partitions": 6}, "api", {"FLEETPULSE_PARTITIONS": "6"}),
    ],
)
def test_what_is_chosen_is_told(given: dict[str, Any], process: str, told: dict[str, str]) -> None:
    assert told.items() <= Installation(**given).environment(process).items()


@each_process
@pytest.mark.parametrize("kafka", ["confluent", "msk"])
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_process_starts_with_what_it_is_given(
    environment: str, kafka: str, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Installation(environment, kafka=kafka)
    told = here.environment(process)
    if kafka == "msk" and "KAFKA_BROKER_SETTINGS" in told:
        told["KAFKA_BROKER_SETTINGS"] = BROKERS
    secrets = {name: SECRET_VALUES.get(name, "long secret") for name in here.secrets(process)}
    for name, value in (images.environment(FOLDERS[process]) | told | secrets).items():
        monkeypatch.setenv(name, value)

    settings: DataSettings = load(SETTINGS[process])

    layout = "reading" if environment == "dev" else "minute"
    address = Address.of(settings.store_url)  # type: ignore[attr-defined]
    assert (address.prefix, address.layout) == (f"fleetpulse-{environment}", layout)
    if process in ("api", "consumer"):
        expected = BROKERS if kafka == "msk" else SECRET_VALUES["KAFKA_BROKER_SETTINGS"]
        assert settings.bootstrap_servers == expected  # type: ignore[attr-defined]
        assert settings.cluster_secret is not None  # type: ignore[attr-defined]


@each_process
def test_a_container_is_its_process_alone_and_writes_nothing_else(process: str) -> None:
    container = Installation().container(process)
    port = int(images.the(FOLDERS[process], "EXPOSE"))
    test, python, option, script = container["healthCheck"]["command"]

    assert container["entryPoint"] == ["fleetpulse"]
    assert container["command"] == COMMANDS[process]
    assert container["image"] == f"example/fleetpulse-{process}:0.1.0"
    assert container["essential"] is True
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert container["portMappings"] == [{"containerPort": port, "protocol": "tcp"}]
    assert (test, python, option) == ("CMD", "python", "-c")
    assert f"'http://127.0.0.1:{port}/healthz'" in script
    check = container["healthCheck"]
    assert check["timeout"] < check["interval"]
    assert check["interval"] * check["retries"] <= SICK_FOR_S
    assert check["startPeriod"] >= STARTS_WITHIN_S
    log = container["logConfiguration"]
    assert log["logDriver"] == "awslogs"
    assert log["options"]["awslogs-group"] == f"aws_cloudwatch_log_group.service.{process}.name"


@each_process
def test_a_folder_that_is_mounted_is_a_volume_of_the_image_so_that_its_user_may_write(
    process: str,
) -> None:
    here = Installation()
    mounted = here.container(process)["mountPoints"]
    volumes = here.made("aws_ecs_task_definition", "of")[process]["volume"]

    paths = {each["containerPath"] for each in mounted}
    assert paths == set(images.the(FOLDERS[process], "VOLUME").split())
    assert {each["sourceVolume"] for each in mounted} == {each["name"] for each in volumes}
    assert here.environment(process)["FLEETPULSE_DATA"] in paths
    assert not [each for each in mounted if each.get("readOnly")]


@each_process
def test_a_task_is_of_its_own_roles_its_own_size_and_its_own_container(process: str) -> None:
    here = Installation()
    task = here.made("aws_ecs_task_definition", "of")[process]
    size = here.value("${var.sizes}")[process]

    assert task["task_role_arn"] == f"aws_iam_role.task.{process}.arn"
    assert task["execution_role_arn"] == f"aws_iam_role.start.{process}.arn"
    assert (task["cpu"], task["memory"]) == (size["cpu"], size["memory"])
    assert (task["network_mode"], task["requires_compatibilities"]) == ("awsvpc", ["FARGATE"])
    assert task["runtime_platform"] == [
        {"operating_system_family": "LINUX", "cpu_architecture": "X86_64"}
    ]
    expected = [process, "metrics-agent"] if process == "consumer" else [process]
    assert [each["name"] for each in containers(task)] == expected
    assert containers(task)[0].items() <= here.container(process).items()


def containers(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of a task."""
    found: list[dict[str, Any]] = json.loads(task["container_definitions"])
    return found


@each_process
def test_a_service_is_in_private_and_is_of_as_many_tasks_as_it_may_be(process: str) -> None:
    service = Installation("prod").made("aws_ecs_service", "of")[process]
    one_at_most = process in ("bot", "notify")  # Telegram answers 409 to a second one

    assert service["network_configuration"] == [
        {
            "subnets": "aws_subnet.private[*].id",
            "security_groups": [f"aws_security_group.service.{process}.id"],
            "assign_public_ip": False,
        }
    ]
    assert service["task_definition"] == f"aws_ecs_task_definition.of.{process}.arn"
    assert service["desired_count"] == (1 if one_at_most else 2)
    assert service["deployment_minimum_healthy_percent"] == (0 if one_at_most else 100)
    assert service["deployment_maximum_percent"] == (100 if one_at_most else 200)
    assert service["deployment_circuit_breaker"] == [{"enable": True, "rollback": True}]
    assert service["propagate_tags"] == "SERVICE"  # what tasks cost is found by their tags


def test_the_load_balancer_lets_the_api_start_and_finds_it_sick_as_soon_as_ecs_does() -> None:
    here = Installation()
    grace = {
        process: one["health_check_grace_period_seconds"]
        for process, one in here.made("aws_ecs_service", "of").items()
    }
    (check,) = here.value(named("resource", "aws_lb_target_group")["api"])["health_check"]

    asked = grace.pop("api")
    assert asked >= STARTS_WITHIN_S + check["interval"] * check["healthy_threshold"]
    assert set(grace.values()) == {None}  # AWS takes it only where there is a load balancer
    assert check["timeout"] < check["interval"]
    assert check["interval"] * check["unhealthy_threshold"] <= SICK_FOR_S


def test_the_cluster_makes_no_metrics_that_the_page_does_not_count() -> None:
    assert named("resource", "aws_ecs_cluster")["fleet"]["setting"] == [
        {"name": "containerInsights", "value": "disabled"}
    ]


@each_process
def test_an_apply_waits_for_a_process_no_longer_than_the_pages_say(process: str) -> None:
    service = Installation().made("aws_ecs_service", "of")[process]

    assert service["wait_for_steady_state"] is True
    assert service["timeouts"] == [{"create": "20m", "update": "20m"}]
    for page in ("iac/README.md", "docs/aws.md"):
        assert "20 minutes" in (FOLDER.parent / page).read_text()


@each_process
def test_the_revision_before_stays_so_that_ecs_can_go_back_to_it(process: str) -> None:
    assert Installation().made("aws_ecs_task_definition", "of")[process]["skip_destroy"] is True


def test_the_load_balancer_leads_to_the_api_alone() -> None:
    here = Installation()
    (block,) = named("resource", "aws_ecs_service")["of"]["dynamic"]
    made = block["load_balancer"]
    reached = [p for p in PROCESSES if here.value(made["for_each"], each={"key": p, "value": 0})]

    assert reached == ["api"]
    assert here.value(made["content"]) == [
        {
            "target_group_arn": "aws_lb_target_group.api.arn",
            "container_name": "api",
            "container_port": 8000,
        }
    ]


@pytest.mark.parametrize(("way", "expected"), [("ingress", INGRESS), ("egress", EGRESS)])
def test_these_may_speak_to_those_and_nobody_else(
    way: str, expected: dict[str, list[Rule]]
) -> None:
    kind = f"aws_vpc_security_group_{way}_rule"
    here = Installation(kafka="msk")

    found = {name: sorted(rules(here, kind, name)) for name in named("resource", kind)}

    assert found == {name: sorted(rows) for name, rows in expected.items()}
    assert not named("resource", "aws_security_group_rule")
    for group in named("resource", "aws_security_group").values():
        assert not {"ingress", "egress"} & group.keys()


def rules(here: Installation, kind: str, name: str) -> list[Rule]:
    """What a rule lets through, once for each that is made."""
    body = named("resource", kind)[name]
    made = here.made(kind, name).values() if "for_each" in body else [here.value(body)]
    return [
        (
            short(one["security_group_id"]),
            one["from_port"],
            one["to_port"],
            one.get("cidr_ipv4") or short(one["referenced_security_group_id"]),
        )
        for one in made
        if one["ip_protocol"] == "tcp"
    ]


def short(group: str) -> str:
    """A security group without what all have in their address."""
    return group.removeprefix("aws_security_group.").removesuffix(".id")


def test_private_subnets_give_no_public_address_and_go_out_by_nat() -> None:
    network = Installation()
    route = named("resource", "aws_route")["private_out"]

    for subnet in named("resource", "aws_subnet").values():
        assert "map_public_ip_on_launch" not in subnet
    assert "nat_gateway_id" in route
    assert "gateway_id" not in route
    assert network.value(named("resource", "aws_lb")["api"])["subnets"] == "aws_subnet.public[*].id"


def test_from_outside_there_is_https_alone_and_it_ends_at_the_load_balancer() -> None:
    here = Installation()
    balancer = here.value(named("resource", "aws_lb")["api"])
    target = here.value(named("resource", "aws_lb_target_group")["api"])
    (listener,) = here.value(named("resource", "aws_lb_listener")).values()

    assert (listener["protocol"], listener["port"]) == ("HTTPS", 443)
    assert listener["ssl_policy"].startswith("ELBSecurityPolicy-TLS13-1-2-")
    assert listener["certificate_arn"] == "aws_acm_certificate_validation.api[0].certificate_arn"
    assert listener["default_action"] == [
        {"type": "forward", "target_group_arn": "aws_lb_target_group.api.arn"}
    ]
    assert (target["protocol"], target["port"], target["target_type"]) == ("HTTP", 8000, "ip")
    assert balancer["security_groups"] == ["aws_security_group.load_balancer.id"]
    assert balancer["xff_header_processing_mode"] == "append"  # FLEETPULSE_TRUSTED_PROXIES=1
    assert balancer["drop_invalid_header_fields"] is True
