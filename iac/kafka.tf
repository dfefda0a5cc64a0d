# MSK, if it is wanted (var.kafka). Passwords for fleetpulse; roles for whoever gives the first rights (README).
locals {
  msk_port     = 9096 # SASL/SCRAM
  msk_iam_port = 9098
  msk_user     = "fleetpulse"
}

resource "aws_msk_configuration" "kafka" {
  count = local.on_msk ? 1 : 0

  name           = local.name
  kafka_versions = [var.msk.version]

  server_properties = <<-PROPERTIES
    allow.everyone.if.no.acl.found=false
    auto.create.topics.enable=false
    default.replication.factor=${length(local.zones)}
    min.insync.replicas=${length(local.zones) - 1}
    num.partitions=${var.partitions}
  PROPERTIES
}

resource "aws_msk_cluster" "kafka" {
  count = local.on_msk ? 1 : 0

  cluster_name           = local.name
  kafka_version          = var.msk.version
  number_of_broker_nodes = length(local.zones)

  broker_node_group_info {
    instance_type   = var.msk.broker
    client_subnets  = aws_subnet.private[*].id
    security_groups = [aws_security_group.kafka[0].id]

    storage_info {
      ebs_storage_info {
        volume_size = var.msk.storage_gib
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      scram = true
      iam   = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.kafka[0].arn
    revision = aws_msk_configuration.kafka[0].latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.fleet.arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka[0].name
      }
    }
  }

  # With `kafka` left out of the values, the next apply would take the cluster away, and all that is in it.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_security_group" "kafka" {
  count = local.on_msk ? 1 : 0

  name        = "${local.name}-kafka"
  description = "Brokers"
  vpc_id      = aws_vpc.fleet.id
}

resource "aws_vpc_security_group_ingress_rule" "kafka_from_service" {
  for_each = local.on_msk ? toset(["api", "consumer"]) : toset([])

  security_group_id            = aws_security_group.kafka[0].id
  description                  = "SASL/SCRAM from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = local.msk_port
  to_port                      = local.msk_port
  referenced_security_group_id = aws_security_group.service[each.key].id
}

# For the machine that gives the first rights (README): attach this group to it.
resource "aws_security_group" "kafka_admin" {
  count = local.on_msk ? 1 : 0

  name        = "${local.name}-kafka-admin"
  description = "Machines that Kafka is administered from"
  vpc_id      = aws_vpc.fleet.id
}

resource "aws_vpc_security_group_ingress_rule" "kafka_from_admin" {
  count = local.on_msk ? 1 : 0

  security_group_id            = aws_security_group.kafka[0].id
  description                  = "IAM from administrators"
  ip_protocol                  = "tcp"
  from_port                    = local.msk_iam_port
  to_port                      = local.msk_iam_port
  referenced_security_group_id = aws_security_group.kafka_admin[0].id
}

resource "aws_vpc_security_group_egress_rule" "admin_to_kafka" {
  count = local.on_msk ? 1 : 0

  security_group_id            = aws_security_group.kafka_admin[0].id
  description                  = "IAM to the brokers"
  ip_protocol                  = "tcp"
  from_port                    = local.msk_iam_port
  to_port                      = local.msk_iam_port
  referenced_security_group_id = aws_security_group.kafka[0].id
}

resource "aws_vpc_security_group_egress_rule" "admin_out" {
  count = local.on_msk ? 1 : 0

  security_group_id = aws_security_group.kafka_admin[0].id
  description       = "Session Manager, and Kafka's tools"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

# MSK takes secrets of this prefix only, encrypted with a key of the account's own.
resource "aws_secretsmanager_secret" "msk" {
  count = local.on_msk ? 1 : 0

  name                    = "AmazonMSK_${local.name}"
  description             = "User and password of fleetpulse on MSK"
  kms_key_id              = aws_kms_key.fleet.arn
  recovery_window_in_days = local.secret_recovery_days
}

# Another one in each run; the secret takes that of the run that makes it, or that raises msk_password_version.
ephemeral "aws_secretsmanager_random_password" "msk" {
  count = local.on_msk ? 1 : 0

  password_length     = 40
  exclude_punctuation = true # 62 kinds of characters: 238 bits
}

resource "aws_secretsmanager_secret_version" "msk" {
  count = local.on_msk ? 1 : 0

  secret_id = aws_secretsmanager_secret.msk[0].id
  secret_string_wo = jsonencode({
    username = local.msk_user
    password = ephemeral.aws_secretsmanager_random_password.msk[0].random_password
  })
  secret_string_wo_version = var.msk_password_version
}

resource "aws_msk_scram_secret_association" "fleet" {
  count = local.on_msk ? 1 : 0

  cluster_arn     = aws_msk_cluster.kafka[0].arn
  secret_arn_list = [aws_secretsmanager_secret.msk[0].arn]

  depends_on = [aws_secretsmanager_secret_version.msk]
}

# Kafka and all that its first rights are given through, as one target: the services come later.
resource "terraform_data" "kafka_admin" {
  count = local.on_msk ? 1 : 0

  depends_on = [
    aws_msk_scram_secret_association.fleet,
    aws_route.private_out,
    aws_route.public_out,
    aws_route_table_association.private,
    aws_route_table_association.public,
    aws_vpc_security_group_egress_rule.admin_out,
    aws_vpc_security_group_egress_rule.admin_to_kafka,
    aws_vpc_security_group_ingress_rule.kafka_from_admin,
  ]
}
