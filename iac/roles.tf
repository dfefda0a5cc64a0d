# What each process may do. A test holds the actions on tables and models to what the code calls.
data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.here.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  for_each = local.running

  name               = "${local.name}-${each.key}"
  description        = "What ${each.key} may do"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

# All four processes use the one store. Tables are made by Terraform, so none may make or change them.
data "aws_iam_policy_document" "store" {
  statement {
    sid = "Tables"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:DescribeContinuousBackups",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = [for table in aws_dynamodb_table.store : table.arn]
  }

  statement {
    sid       = "Indexes"
    actions   = ["dynamodb:Query"]
    resources = [for table in aws_dynamodb_table.store : "${table.arn}/index/*"]
  }
}

resource "aws_iam_role_policy" "store" {
  for_each = local.running

  name   = "store"
  role   = aws_iam_role.task[each.key].id
  policy = data.aws_iam_policy_document.store.json
}

data "aws_iam_policy_document" "models_reader" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"] # of the whole bucket: S3 says 403, not 404, of an absent object otherwise
    resources = [aws_s3_bucket.models.arn]
  }

  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.models.arn}/models/*"]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.fleet.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "models_reader" {
  for_each = toset(["api", "consumer"])

  name   = "models"
  role   = aws_iam_role.task[each.key].id
  policy = data.aws_iam_policy_document.models_reader.json
}

# For people and pipelines that publish models: attach it beside nothing else.
data "aws_iam_policy_document" "models_publisher" {
  source_policy_documents = [data.aws_iam_policy_document.models_reader.json]

  statement {
    sid       = "Publish"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.models.arn}/models/*"]
  }

  statement {
    sid       = "Encrypt"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.fleet.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "models_publisher" {
  name        = "${local.name}-models-publisher"
  description = "fleetpulse models publish, promote and rollback"
  policy      = data.aws_iam_policy_document.models_publisher.json
}

# The CloudWatch agent beside the consumer writes its numbers as log lines of the embedded metric format.
data "aws_iam_policy_document" "lag" {
  statement {
    sid       = "Numbers"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.metrics.arn}:*"]
  }
}

resource "aws_iam_role_policy" "lag" {
  name   = "lag"
  role   = aws_iam_role.task["consumer"].id
  policy = data.aws_iam_policy_document.lag.json
}

# What ECS may do to start a task: its own secrets, its own log, its image.
resource "aws_iam_role" "start" {
  for_each = local.running

  name               = "${local.name}-${each.key}-start"
  description        = "What ECS may do to start ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

locals {
  # Image -> account, region and repository, of those that are on ECR.
  ecr_parts = {
    for process, image in var.images :
    process => regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com/([^:@]+)", image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/", image))
  }

  secret_arns_of = {
    for process, names in local.secrets_of : process => concat(
      [for name in names : aws_secretsmanager_secret.of[name].arn if contains(keys(local.secrets), name)],
      contains(names, "kafka") ? aws_secretsmanager_secret.msk[*].arn : [],
      aws_secretsmanager_secret.docker_hub[*].arn,
    )
  }
}

data "aws_iam_policy_document" "start" {
  for_each = local.running

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns_of[each.key]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.fleet.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.service[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = contains(keys(local.ecr_parts), each.key) ? [local.ecr_parts[each.key]] : []

    content {
      sid       = "Image"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:${data.aws_partition.here.partition}:ecr:${statement.value[1]}:${statement.value[0]}:repository/${statement.value[2]}"]
    }
  }

  dynamic "statement" {
    for_each = contains(keys(local.ecr_parts), each.key) ? ["login"] : []

    content {
      sid       = "Login"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"] # a login is to all of ECR; AWS knows no narrower one
    }
  }
}

resource "aws_iam_role_policy" "start" {
  for_each = local.running

  name   = "start"
  role   = aws_iam_role.start[each.key].id
  policy = data.aws_iam_policy_document.start[each.key].json
}

data "aws_iam_policy_document" "flow_logs_service" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "flow_logs" {
  name               = "${local.name}-flow-logs"
  assume_role_policy = data.aws_iam_policy_document.flow_logs_service.json
}

data "aws_iam_policy_document" "flow_logs" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.network.arn}:*"]
  }
}

resource "aws_iam_role_policy" "flow_logs" {
  name   = "write"
  role   = aws_iam_role.flow_logs.id
  policy = data.aws_iam_policy_document.flow_logs.json
}
