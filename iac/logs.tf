# Logs, encrypted, for var.log_days.
resource "aws_cloudwatch_log_group" "service" {
  for_each = local.running

  name              = "/${local.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.fleet.arn
}

resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${local.name}/metrics"
  retention_in_days = 1 # CloudWatch has made metrics of them by then
  kms_key_id        = aws_kms_key.fleet.arn
}

resource "aws_cloudwatch_log_group" "network" {
  name              = "/${local.name}/network"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.fleet.arn
}

resource "aws_cloudwatch_log_group" "kafka" {
  count = local.on_msk ? 1 : 0

  name              = "/${local.name}/kafka"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.fleet.arn
}
