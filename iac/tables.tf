# The tables of fleetpulse/stores/dynamodb_tables.py, which a test compares. Made here, so that no task
# needs the right to make or change tables.
locals {
  tables = {
    readings = {
      hash        = { name = "device", type = "S" }
      range       = { name = "place", type = "B" }
      indexes     = { rejected = { hash = "r_pk", range = "r_sk" } }
      expires     = true
      recoverable = false # gone after FLEETPULSE_RAW_DAYS anyway, and it would double what storage costs
    }
    rollups = {
      hash        = { name = "pk", type = "S" }
      range       = { name = "begins_at", type = "N" }
      indexes     = {}
      expires     = true
      recoverable = true
    }
    records = {
      hash  = { name = "pk", type = "S" }
      range = { name = "sk", type = "S" }
      indexes = {
        by_device = { hash = "d_pk", range = "d_sk" }
        by_time   = { hash = "t_pk", range = "t_sk" }
        waiting   = { hash = "w_pk", range = "w_sk" }
      }
      expires     = false
      recoverable = true
    }
  }
}

resource "aws_dynamodb_table" "store" {
  for_each = local.tables

  name                        = "${local.name}-${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.hash.name
  range_key                   = each.value.range.name
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = [each.value.hash, each.value.range]

    content {
      name = attribute.value.name
      type = attribute.value.type
    }
  }

  dynamic "attribute" {
    for_each = toset(flatten([for index in values(each.value.indexes) : [index.hash, index.range]]))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash
      range_key       = global_secondary_index.value.range
      projection_type = "ALL"
    }
  }

  dynamic "ttl" {
    for_each = each.value.expires ? ["expires_at"] : []

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = each.value.recoverable
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.fleet.arn
  }
}
