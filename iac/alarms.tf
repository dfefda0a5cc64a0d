# What wakes somebody. fleetpulse's own notices (docs/operations.md) come on top.
resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.fleet.arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# ECS tells a running task's CPU each minute; where it tells nothing, nothing runs.
resource "aws_cloudwatch_metric_alarm" "gone" {
  for_each = local.running

  alarm_name          = "${local.name}-${each.key}-gone"
  alarm_description   = "No task of ${each.key} runs: look at its log, and at the events of its service."
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = aws_ecs_cluster.fleet.name, ServiceName = aws_ecs_service.of[each.key].name }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = local.running

  name           = "${local.name}-${each.key}-errors"
  log_group_name = aws_cloudwatch_log_group.service[each.key].name
  pattern        = "{ $.level = \"error\" }"

  metric_transformation {
    namespace = local.namespace
    name      = "${each.key}-errors"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.running

  alarm_name          = "${local.name}-${each.key}-errors"
  alarm_description   = "${each.key} logged an ERROR: something was lost or stopped. Its log says what."
  namespace           = local.namespace
  metric_name         = aws_cloudwatch_log_metric_filter.errors[each.key].metric_transformation[0].name
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "behind" {
  alarm_name          = "${local.name}-consumer-behind"
  alarm_description   = "Consumers are far behind for ten minutes, or tell nothing: warnings come late."
  namespace           = local.namespace
  metric_name         = local.lag_metric
  dimensions          = { job = local.job }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5 * var.consumer_lag_records
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  failed_answers = {
    api      = "HTTPCode_Target_5XX_Count"
    balancer = "HTTPCode_ELB_5XX_Count" # where no task answers, the load balancer says 503
  }
}

resource "aws_cloudwatch_metric_alarm" "api_failing" {
  alarm_name          = "${local.name}-api-failing"
  alarm_description   = "The API, or the load balancer for it, answered with 5xx more than ten times in five minutes."
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  # Of an array SUM adds what there is: each of the two tells nothing while nothing fails.
  metric_query {
    id          = "failed"
    label       = "Answers with 5xx"
    expression  = "SUM([FILL(api, 0), FILL(balancer, 0)])"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.failed_answers

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = aws_lb.api.arn_suffix }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each = local.tables

  alarm_name          = "${local.name}-${each.key}-throttled"
  alarm_description   = "DynamoDB throttles writes to ${each.key}: consumers wait for it."
  namespace           = "AWS/DynamoDB"
  metric_name         = "WriteThrottleEvents"
  dimensions          = { TableName = aws_dynamodb_table.store[each.key].name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 100
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# Of the whole account: a filter by tag shows 0 until somebody makes it a cost allocation tag.
resource "aws_budgets_budget" "month" {
  name         = local.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.budget_dollars)
  limit_unit   = "USD"

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = var.alarm_emails
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = var.alarm_emails
  }
}
