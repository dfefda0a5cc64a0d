"""What wakes somebody, what adds tasks, and how long logs are kept: by numbers that are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.iac.configuration import PROCESSES, Installation, blocks, named

NAMESPACE = "Fleetpulse/dev"
JOB = {"job": "fleetpulse-consumer"}
LAG, READY = "fleetpulse_consumer_lag_records", "fleetpulse_ready"
TOPIC = ["aws_sns_topic.alarms.arn"]
OF_EACH = {"each": {"key": "bot", "value": 9102}}
# Alarm -> what of it makes it go off; where a row lacks a name, the alarm has to lack it.
ALARMS: dict[str, dict[str, Any]] = {
    "gone": {
        "namespace": "AWS/ECS",
        "metric_name": "CPUUtilization",
        "dimensions": {
            "ClusterName": "aws_ecs_cluster.fleet.name",
            "ServiceName": "aws_ecs_service.of.bot.name",
        },
        "statistic": "SampleCount",
        "period": 60,
        "evaluation_periods": 5,
        "comparison_operator": "LessThanThreshold",
        "threshold": 1,
        "treat_missing_data": "breaching",
    },
    "errors": {
        "namespace": NAMESPACE,
        "metric_name": (
            "aws_cloudwatch_log_metric_filter.errors.bot.metric_transformation[0].name"
        ),
        "statistic": "Sum",
        "period": 300,
        "evaluation_periods": 1,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 0,
        "treat_missing_data": "notBreaching",
    },
    "behind": {
        "namespace": NAMESPACE,
        "metric_name": LAG,
        "dimensions": JOB,
        "statistic": "Sum",
        "period": 60,
        "evaluation_periods": 10,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 100_000,
        "treat_missing_data": "breaching",
    },
    "api_failing": {
        "evaluation_periods": 1,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 10,
        "treat_missing_data": "notBreaching",
    },
    "throttled": {
        "namespace": "AWS/DynamoDB",
        "metric_name": "WriteThrottleEvents",
        "dimensions": {"TableName": "aws_dynamodb_table.store.bot.name"},
        "statistic": "Sum",
        "period": 300,
        "evaluation_periods": 2,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 100,
        "treat_missing_data": "notBreaching",
    },
}
SAID = {"alarm_name", "alarm_description", "alarm_actions", "ok_actions", "for_each"}
BLOCKS = {"metric_query", "dynamic"}
OUTPUTS = {
    "url": "https://fleet-dev.example.org",
    "load_balancer_host": "aws_lb.api.dns_name",
    "tables": {"*": "aws_dynamodb_table.store[*].name"},
    "store": "dynamodb://fleetpulse-dev?region=us-east-1&layout=reading",
    "models": "s3://aws_s3_bucket.models.bucket/models?region=us-east-1",
    "models_publisher_policy": "aws_iam_policy.models_publisher.arn",
    "secrets": {
        "aws_secretsmanager_secret.of.models.name": ["FLEETPULSE_MODEL_KEY"],
        "aws_secretsmanager_secret.of.telegram.name": ["TELEGRAM_TOKEN", "FLEETPULSE_PING_URL"],
        "aws_secretsmanager_secret.of.notify.name": ["FLEETPULSE_NOTIFY"],
        "aws_secretsmanager_secret.of.kafka.name": [
            "KAFKA_BROKER_SETTINGS",
            "KAFKA_CLUSTER_KEY",
            "KAFKA_CLUSTER_SECRET",
        ],
    },
    "cluster": "aws_ecs_cluster.fleet.name",
    "kafka_iam_brokers": "aws_msk_cluster.kafka[*].bootstrap_brokers_sasl_iam",
    "kafka_admin_security_group": "aws_security_group.kafka_admin[*].id",
}


def test_there_is_no_other_alarm() -> None:
    assert set(named("resource", "aws_cloudwatch_metric_alarm")) == set(ALARMS)


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_goes_off_on_this_and_is_heard(alarm: str) -> None:
    body = Installation().value(named("resource", "aws_cloudwatch_metric_alarm")[alarm], **OF_EACH)

    assert {name: body[name] for name in body.keys() - SAID - BLOCKS} == ALARMS[alarm]
    assert body["alarm_actions"] == TOPIC
    assert body.get("ok_actions", TOPIC) == TOPIC


def test_each_table_has_its_alarm_and_each_alarm_its_name() -> None:
    here = Installation()
    throttled = here.made("aws_cloudwatch_metric_alarm", "throttled")

    names = [one["alarm_name"] for one in here.every("aws_cloudwatch_metric_alarm")]

    assert {table: one["dimensions"] for table, one in throttled.items()} == {
        table: {"TableName": f"aws_dynamodb_table.store.{table}.name"}
        for table in here.local("tables")
    }
    assert len(set(names)) == len(names)
    assert all(name.startswith("fleetpulse-dev-") for name in names)


def test_the_api_fails_by_its_own_answers_and_by_those_of_the_load_balancer_for_it() -> None:
    here = Installation()
    body = here.value(named("resource", "aws_cloudwatch_metric_alarm")["api_failing"])
    (failed,) = body["metric_query"]
    (part,) = named("resource", "aws_cloudwatch_metric_alarm")["api_failing"]["dynamic"]

    asked = {
        key: here.value(part["metric_query"]["content"], metric_query={"key": key, "value": value})
        for key, value in here.value(part["metric_query"]["for_each"]).items()
    }

    assert failed["expression"] == "SUM([FILL(api, 0), FILL(balancer, 0)])"
    assert failed["return_data"] is True
    expected = {"api": "HTTPCode_Target_5XX_Count", "balancer": "HTTPCode_ELB_5XX_Count"}
    assert asked == {
        key: [
            {
                "id": key,
                "metric": [
                    {
                        "namespace": "AWS/ApplicationELB",
                        "metric_name": metric,
                        "dimensions": {"LoadBalancer": "aws_lb.api.arn_suffix"},
                        "stat": "Sum",
                        "period": 300,
                    }
                ],
            }
        ]
        for key, metric in expected.items()
    }


def test_errors_are_counted_where_the_alarm_looks() -> None:
    found = Installation().made("aws_cloudwatch_log_metric_filter", "errors")

    assert {process: body["metric_transformation"] for process, body in found.items()} == {
        process: [{"namespace": NAMESPACE, "name": f"{process}-errors", "value": "1"}]
        for process in PROCESSES
    }
    assert {process: body["log_group_name"] for process, body in found.items()} == {
        process: f"aws_cloudwatch_log_group.service.{process}.name" for process in PROCESSES
    }


def test_the_metrics_agent_reads_the_consumer_and_publishes_what_is_looked_for() -> None:
    here = Installation()
    agent = here.local("metrics_agent")
    told = {each["name"]: json.loads(each["value"]) for each in agent["environment"]}
    (job,) = told["PROMETHEUS_CONFIG_CONTENT"]["scrape_configs"]
    published = told["CW_CONFIG_CONTENT"]["logs"]["metrics_collected"]["prometheus"]

    assert told["PROMETHEUS_CONFIG_CONTENT"]["global"]["scrape_interval"] == "1m"
    assert job == {
        "job_name": JOB["job"],
        "static_configs": [
            {"targets": [f"127.0.0.1:{here.environment('consumer')['FLEETPULSE_OPS_PORT']}"]}
        ],
    }
    assert published["log_group_name"] == "aws_cloudwatch_log_group.metrics.name"
    assert published["prometheus_config_path"] == "env:PROMETHEUS_CONFIG_CONTENT"
    assert published["emf_processor"] == {
        "metric_namespace": NAMESPACE,
        "metric_declaration": [
            {
                "source_labels": ["job"],
                "label_matcher": f"^{JOB['job']}$",
                "dimensions": [["job"]],
                "metric_selectors": [f"^{LAG}$", f"^{READY}$"],
            }
        ],
    }
    assert agent["essential"] is False
    assert agent["image"] == here.value("${var.metrics_agent_image}")


def test_consumers_are_added_by_what_each_is_behind() -> None:
    policy = Installation().value(named("resource", "aws_appautoscaling_policy")["consumer_by_lag"])
    (tracking,) = policy["target_tracking_scaling_policy_configuration"]
    (specification,) = tracking["customized_metric_specification"]
    metrics = {one["id"]: one for one in specification["metrics"]}

    asked = {
        name: (one["metric_stat"][0]["stat"], one["metric_stat"][0]["metric"][0])
        for name, one in metrics.items()
        if "metric_stat" in one
    }

    dimensions = [{"name": "job", "value": JOB["job"]}]
    assert asked == {
        name: (stat, {"namespace": NAMESPACE, "metric_name": metric, "dimensions": dimensions})
        for name, stat, metric in [("lag", "Sum", LAG), ("consumers", "SampleCount", READY)]
    }
    assert metrics["each"]["expression"] == "lag / consumers"
    assert {name: one["return_data"] for name, one in metrics.items()} == {
        "lag": False,
        "consumers": False,
        "each": True,
    }
    assert tracking["target_value"] == 20_000
    assert tracking["scale_out_cooldown"] == 180  # "after some three minutes", says the page
    assert tracking["scale_in_cooldown"] == 900


def test_the_api_is_added_to_by_its_requests() -> None:
    policy = Installation().value(named("resource", "aws_appautoscaling_policy")["api_by_requests"])
    (tracking,) = policy["target_tracking_scaling_policy_configuration"]

    assert tracking["target_value"] == 1000
    assert tracking["scale_out_cooldown"] == 60
    assert tracking["scale_in_cooldown"] == 300
    assert tracking["predefined_metric_specification"] == [
        {
            "predefined_metric_type": "ALBRequestCountPerTarget",
            "resource_label": "aws_lb.api.arn_suffix/aws_lb_target_group.api.arn_suffix",
        }
    ]


def test_as_many_tasks_run_as_the_environment_says_and_bot_and_notify_stay_one() -> None:
    targets = Installation("prod").made("aws_appautoscaling_target", "tasks")

    assert {name: (one["min_capacity"], one["max_capacity"]) for name, one in targets.items()} == {
        "api": (2, 8),
        "consumer": (2, 6),
    }
    for name, one in targets.items():
        service = f"service/aws_ecs_cluster.fleet.name/aws_ecs_service.of.{name}.name"
        assert one["resource_id"] == service
        assert one["scalable_dimension"] == "ecs:service:DesiredCount"


def test_logs_are_kept_as_long_as_the_environment_says_and_none_for_ever() -> None:
    here = Installation(log_days=90)
    groups = named("resource", "aws_cloudwatch_log_group")

    kept = {name: here.value(body["retention_in_days"]) for name, body in groups.items()}

    assert kept == {"service": 90, "network": 90, "kafka": 90, "metrics": 1}


def test_the_budget_writes_to_whom_alarms_write_to() -> None:
    here = Installation(alarm_emails=["ada@example.org"])
    budget = here.value(named("resource", "aws_budgets_budget")["month"])

    (subscription,) = here.made("aws_sns_topic_subscription", "email").values()
    assert [subscription["topic_arn"]] == TOPIC
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", "ada@example.org")
    assert (budget["limit_amount"], budget["limit_unit"], budget["time_unit"]) == (
        "150",
        "USD",
        "MONTHLY",
    )
    told = [(one["threshold"], one["notification_type"]) for one in budget["notification"]]
    assert told == [(80, "ACTUAL"), (100, "FORECASTED")]
    for one in budget["notification"]:
        assert one["subscriber_email_addresses"] == ["ada@example.org"]


def test_outputs_are_these() -> None:
    here = Installation()
    found = {name: body for block in blocks("output") for name, body in block.items()}

    assert {name: here.value(body["value"]) for name, body in found.items()} == OUTPUTS
