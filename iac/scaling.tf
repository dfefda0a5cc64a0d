# The API by its requests, consumers by how far they are behind.
locals {
  namespace = "Fleetpulse/${var.environment}"
  job       = "fleetpulse-consumer"

  lag_metric   = "fleetpulse_consumer_lag_records" # of each partition, by the consumer that has it
  ready_metric = "fleetpulse_ready"                # one of each consumer: counting them counts consumers

  scraped = {
    global = { scrape_interval = "1m", scrape_timeout = "10s" }
    scrape_configs = [
      { job_name = local.job, static_configs = [{ targets = ["127.0.0.1:${local.ports.consumer}"] }] },
    ]
  }

  # The sum over a minute is the lag of all partitions because each is told once a minute.
  published = {
    agent = { region = var.region }
    logs = {
      metrics_collected = {
        prometheus = {
          log_group_name         = aws_cloudwatch_log_group.metrics.name
          prometheus_config_path = "env:PROMETHEUS_CONFIG_CONTENT"
          emf_processor = {
            metric_namespace = local.namespace
            metric_declaration = [{
              source_labels    = ["job"]
              label_matcher    = "^${local.job}$"
              dimensions       = [["job"]]
              metric_selectors = ["^${local.lag_metric}$", "^${local.ready_metric}$"]
            }]
          }
        }
      }
    }
  }
}

resource "aws_appautoscaling_target" "tasks" {
  for_each = { api = var.api_tasks, consumer = var.consumer_tasks }

  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.fleet.name}/${aws_ecs_service.of[each.key].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = each.value.least
  max_capacity       = each.value.most
}

resource "aws_appautoscaling_policy" "api_by_requests" {
  name               = "requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.tasks["api"].service_namespace
  resource_id        = aws_appautoscaling_target.tasks["api"].resource_id
  scalable_dimension = aws_appautoscaling_target.tasks["api"].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.api_requests_per_minute
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.api.arn_suffix}/${aws_lb_target_group.api.arn_suffix}"
    }
  }
}

resource "aws_appautoscaling_policy" "consumer_by_lag" {
  name               = "lag"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.tasks["consumer"].service_namespace
  resource_id        = aws_appautoscaling_target.tasks["consumer"].resource_id
  scalable_dimension = aws_appautoscaling_target.tasks["consumer"].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.consumer_lag_records
    scale_out_cooldown = 180 # each change moves partitions, and a new consumer fills its windows first
    scale_in_cooldown  = 900

    customized_metric_specification {
      metrics {
        id          = "lag"
        label       = "Records behind, of all partitions"
        return_data = false

        metric_stat {
          stat = "Sum"

          metric {
            namespace   = local.namespace
            metric_name = local.lag_metric

            dimensions {
              name  = "job"
              value = local.job
            }
          }
        }
      }

      metrics {
        id          = "consumers"
        label       = "Consumers"
        return_data = false

        metric_stat {
          stat = "SampleCount"

          metric {
            namespace   = local.namespace
            metric_name = local.ready_metric

            dimensions {
              name  = "job"
              value = local.job
            }
          }
        }
      }

      metrics {
        id          = "each"
        label       = "Records behind, for each consumer"
        expression  = "lag / consumers"
        return_data = true
      }
    }
  }
}
