"""What processes are told on AWS is what they understand."""

from __future__ import annotations

import json
import logging
import re
from typing import get_type_hints

import pytest

from fleetpulse.cli import COMMANDS
from fleetpulse.logs import JsonLines
from fleetpulse.metrics import METRIC
from fleetpulse.secrets import Secret
from fleetpulse.settings import (
    ApiSettings,
    BotSettings,
    ConsumerSettings,
    DataSettings,
    NotifySettings,
    variables,
)
from fleetpulse.stores.dynamodb_client import Address
from tests.unit.iac.configuration import (
    FOLDER,
    PROCESSES,
    blocks,
    environment_of,
    local_values,
    named,
    read,
    secrets_of,
)

SETTINGS: dict[str, type[DataSettings]] = {
    "api": ApiSettings,
    "consumer": ConsumerSettings,
    "bot": BotSettings,
    "notify": NotifySettings,
}
MSK_LOGIN = {"KAFKA_CLUSTER_KEY", "KAFKA_CLUSTER_SECRET"}
HARMLESS = {"FLEETPULSE_STORE"}  # a DynamoDB address holds no password

each_process = pytest.mark.parametrize("process", PROCESSES)
each_environment = pytest.mark.parametrize("environment", ["dev", "prod"])


def known(process: str) -> set[str]:
    """The environment variables that a process reads."""
    return {variable.name for _, variable in variables(SETTINGS[process])}


def secret(process: str) -> set[str]:
    """Those of them that are secret."""
    hints = get_type_hints(SETTINGS[process])
    return {
        variable.name
        for field, variable in variables(SETTINGS[process])
        if Secret in getattr(hints[field], "__args__", ())
    }


@each_process
def test_a_process_reads_every_variable_that_it_is_given(process: str) -> None:
    assert environment_of(process) | secrets_of(process) <= known(process)


@each_process
def test_no_secret_stands_in_a_task_definition(process: str) -> None:
    assert not (environment_of(process) & secret(process)) - HARMLESS


@each_process
def test_all_that_is_secret_comes_from_secrets_but_keys_of_aws(process: str) -> None:
    missing = secret(process) - secrets_of(process) - HARMLESS

    assert missing == {"AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"}  # roles are for that


def test_msk_gives_the_variables_that_confluent_gives() -> None:
    (services,) = (block for block in blocks("locals") if "secret_variables_of" in block)
    of_msk = set(re.findall(r'name = "(KAFKA_\w+)"', services["secret_variables_of"]))

    assert of_msk == MSK_LOGIN
    assert secrets_of("api") & {*MSK_LOGIN, "KAFKA_BROKER_SETTINGS"} == {
        *MSK_LOGIN,
        "KAFKA_BROKER_SETTINGS",
    }
    assert "KAFKA_BROKER_SETTINGS" in local_values()["environment_of_kafka"]


@each_process
def test_a_process_is_started_by_a_command_of_ours(process: str) -> None:
    assert local_values()["commands"][process][0] in {command.name for command in COMMANDS}


def test_the_api_listens_where_it_does_by_default() -> None:
    defaults = {variable.name: variable.default for _, variable in variables(ApiSettings)}

    assert local_values()["ports"]["api"] == defaults["FLEETPULSE_PORT"]


@each_process
def test_a_process_is_told_the_port_that_it_is_asked_on(process: str) -> None:
    told = local_values()["environment_of"][process]
    name = "FLEETPULSE_PORT" if process == "api" else "FLEETPULSE_OPS_PORT"

    assert f"tostring(local.ports.{process})" in str(told)
    assert name in environment_of(process)


def test_the_load_balancer_asks_the_port_of_the_api() -> None:
    target = named("resource", "aws_lb_target_group")["api"]

    assert target["port"] == "${local.ports.api}"
    assert target["health_check"][0]["path"] == "/healthz"


def test_brokers_of_msk_are_reached_on_the_port_that_the_page_names() -> None:
    page = (FOLDER.parent / "docs/kafka.md").read_text()

    assert f"port {local_values()['msk_port']} |" in page


@pytest.mark.parametrize("layout", ["reading", "minute"])
def test_the_address_of_the_store_is_one(layout: str) -> None:
    written = local_values()["environment_of_all"]["FLEETPULSE_STORE"]
    filled = {"local.name": "fleetpulse-dev", "var.region": "us-east-1", "var.store_layout": layout}
    url = re.sub(r"\$\{([\w.]+)\}", lambda part: filled[part[1]], written)

    assert Address.of(url) == Address(prefix="fleetpulse-dev", region="us-east-1", layout=layout)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["lag_metric", "ready_metric"])
def test_consumers_are_counted_by_metrics_that_they_tell(metric: str) -> None:
    assert local_values()[metric] in METRIC


def test_an_error_is_found_in_the_log() -> None:
    record = logging.LogRecord("fleetpulse", logging.ERROR, "", 0, "lost", None, None)
    line = json.loads(JsonLines("consumer", None).line(record))

    pattern = named("resource", "aws_cloudwatch_log_metric_filter")["errors"]["pattern"]

    assert pattern == f'{{ $.level = "{line["level"]}" }}'


@each_environment
def test_an_environment_gives_what_is_asked_and_nothing_else(environment: str) -> None:
    given = set(read(FOLDER / f"envs/{environment}/terraform.tfvars"))
    asked = {name: body for block in blocks("variable") for name, body in block.items()}
    required = {name for name, body in asked.items() if "default" not in body}

    assert required <= given <= set(asked)


def test_every_variable_but_a_switch_refuses_what_cannot_be() -> None:
    assert not [
        name
        for block in blocks("variable")
        for name, body in block.items()
        if body["type"] != "bool" and not body.get("validation")
    ]


def test_every_variable_says_what_it_is() -> None:
    assert not [
        name
        for block in blocks("variable")
        for name, body in block.items()
        if not body["description"].endswith(".")
    ]
