# A Fargate service for each process.
resource "aws_ecs_cluster" "fleet" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "disabled" # some 70 metrics, $20 a month; alarms.tf does without
  }
}

locals {
  secret_variables_of = {
    for process, names in local.secrets_of : process => concat(
      flatten([
        for name in names : [
          for key in lookup(local.secrets, name, []) :
          { name = key, valueFrom = "${aws_secretsmanager_secret.of[name].arn}:${key}::" }
        ]
      ]),
      !contains(names, "kafka") || !local.on_msk ? [] : [
        { name = "KAFKA_CLUSTER_KEY", valueFrom = "${aws_secretsmanager_secret.msk[0].arn}:username::" },
        { name = "KAFKA_CLUSTER_SECRET", valueFrom = "${aws_secretsmanager_secret.msk[0].arn}:password::" },
      ],
    )
  }

  containers = {
    for process, port in local.running : process => {
      name                   = process
      image                  = var.images[process]
      essential              = true
      entryPoint             = ["fleetpulse"]
      command                = local.commands[process]
      readonlyRootFilesystem = true
      stopTimeout            = 30 # a process drains within 10 s
      portMappings           = [{ containerPort = port, protocol = "tcp" }]
      repositoryCredentials  = var.docker_hub_login ? { credentialsParameter = aws_secretsmanager_secret.docker_hub[0].arn } : null
      secrets                = local.secret_variables_of[process]

      environment = [
        for name, value in merge(local.environment_of_all, local.environment_of[process]) :
        { name = name, value = value }
      ]

      mountPoints = [
        { sourceVolume = "data", containerPath = local.data_folder },
        { sourceVolume = "tmp", containerPath = "/tmp" },
      ]

      healthCheck = {
        command     = ["CMD", "python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:${port}/healthz', timeout=4)"]
        interval    = 15
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }

      linuxParameters = {
        initProcessEnabled = true
        capabilities       = { drop = ["ALL"] }
      }

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.service[process].name
          awslogs-region        = var.region
          awslogs-stream-prefix = process
        }
      }
    }
  }

  # Beside the consumer: reads its /metrics once a minute and publishes lag and readiness (scaling.tf).
  metrics_agent = {
    name      = "metrics-agent"
    image     = var.metrics_agent_image
    essential = false # readings are worth more than their count

    environment = [
      { name = "PROMETHEUS_CONFIG_CONTENT", value = yamlencode(local.scraped) },
      { name = "CW_CONFIG_CONTENT", value = jsonencode(local.published) },
    ]

    logConfiguration = local.containers["consumer"].logConfiguration
  }
}

resource "aws_ecs_task_definition" "of" {
  for_each = local.running

  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.sizes[each.key].cpu
  memory                   = var.sizes[each.key].memory
  skip_destroy             = true # the circuit breaker goes back to the revision before
  task_role_arn            = aws_iam_role.task[each.key].arn
  execution_role_arn       = aws_iam_role.start[each.key].arn

  container_definitions = jsonencode([
    for container in concat([local.containers[each.key]], each.key == "consumer" ? [local.metrics_agent] : []) :
    { for key, value in container : key => value if value != null }
  ])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  # The root file system is read-only: what is kept for restarts of the process, and what is not.
  volume {
    name = "data"
  }

  volume {
    name = "tmp"
  }
}

resource "aws_ecs_service" "of" {
  for_each = local.running

  name            = each.key
  cluster         = aws_ecs_cluster.fleet.id
  task_definition = aws_ecs_task_definition.of[each.key].arn
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"
  desired_count   = { api = var.api_tasks.least, consumer = var.consumer_tasks.least, bot = 1, notify = 1 }[each.key]

  # Telegram takes one program for a token: the old bot ends before the new one begins.
  deployment_minimum_healthy_percent = contains(["bot", "notify"], each.key) ? 0 : 100
  deployment_maximum_percent         = contains(["bot", "notify"], each.key) ? 100 : 200
  health_check_grace_period_seconds  = each.key == "api" ? 120 : null

  # An apply ends well only where the tasks do: one that is rolled back, or never runs, is an error.
  wait_for_steady_state = true

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.service[each.key].id]
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "load_balancer" {
    for_each = each.key == "api" ? ["api"] : []

    content {
      target_group_arn = aws_lb_target_group.api.arn
      container_name   = "api"
      container_port   = local.ports.api
    }
  }

  timeouts {
    create = "20m"
    update = "20m"
  }

  lifecycle {
    ignore_changes = [desired_count] # scaling.tf
  }

  depends_on = [
    aws_iam_role_policy.start,
    aws_iam_role_policy.store,
    aws_iam_role_policy.models_reader,
    aws_iam_role_policy.lag,
    aws_lb_listener.https,
    aws_route.private_out,
    aws_vpc_security_group_ingress_rule.kafka_from_service,
    terraform_data.kafka_admin,
  ]
}
