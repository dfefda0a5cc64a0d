locals {
  # A secret that can still be had back keeps its name, so none of that name can be made. 0: gone at once.
  secret_recovery_days = var.deletion_protection ? 7 : 0
}

# Empty secrets: their values are put in by hand (README), so that they are in no state and no plan.
resource "aws_secretsmanager_secret" "of" {
  for_each = local.secrets

  name                    = "${local.name}/${each.key}"
  description             = "JSON with ${join(", ", each.value)}"
  kms_key_id              = aws_kms_key.fleet.arn
  recovery_window_in_days = local.secret_recovery_days
}

resource "aws_secretsmanager_secret" "docker_hub" {
  count = var.docker_hub_login ? 1 : 0

  name                    = "${local.name}/docker-hub"
  description             = "JSON with username and password (a token) of Docker Hub"
  kms_key_id              = aws_kms_key.fleet.arn
  recovery_window_in_days = local.secret_recovery_days
}
