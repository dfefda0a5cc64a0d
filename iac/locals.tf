# What the processes are told. Names are those of docs/settings.md; a test holds that.
locals {
  name = "fleetpulse-${var.environment}"

  tags = merge(var.tags, {
    project     = "fleetpulse"
    environment = var.environment
    managed-by  = "terraform"
  })

  zones  = [for letter in var.zones : "${var.region}${letter}"]
  on_msk = var.kafka == "msk"

  ports = {
    api      = 8000
    consumer = 9101
    bot      = 9102
    notify   = 9103
  }

  # Those that run, and what each of them has: service, roles, log, alarms.
  running = { for process, port in local.ports : process => port if contains(var.processes, process) }

  commands = {
    api      = ["api"]
    consumer = ["consume", "hardware"]
    bot      = ["bot"]
    notify   = ["notify"]
  }

  data_folder = "/data"

  environment_of_all = {
    FLEETPULSE_DATA  = local.data_folder
    FLEETPULSE_LOG   = "json"
    FLEETPULSE_STORE = "dynamodb://${local.name}?region=${var.region}&layout=${var.store_layout}"
  }

  environment_of_kafka = merge(
    {
      KAFKA_SASL_MECHANISM  = local.on_msk ? "SCRAM-SHA-512" : "PLAIN"
      FLEETPULSE_PARTITIONS = tostring(var.partitions)
    },
    local.on_msk ? { KAFKA_BROKER_SETTINGS = aws_msk_cluster.kafka[0].bootstrap_brokers_sasl_scram } : {},
  )

  environment_of = {
    api = merge(local.environment_of_kafka, {
      FLEETPULSE_HOST            = "0.0.0.0"
      FLEETPULSE_PORT            = tostring(local.ports.api)
      FLEETPULSE_ALLOWED_HOSTS   = var.domain
      FLEETPULSE_TRUSTED_PROXIES = "1"
      FLEETPULSE_MODELS          = local.models
    })
    consumer = merge(local.environment_of_kafka, {
      FLEETPULSE_OPS_HOST = "0.0.0.0"
      FLEETPULSE_OPS_PORT = tostring(local.ports.consumer)
      FLEETPULSE_MODELS   = local.models
      FLEETPULSE_BATCH_MS = var.store_layout == "minute" ? "2000" : "200"
    })
    bot = {
      FLEETPULSE_OPS_HOST       = "0.0.0.0"
      FLEETPULSE_OPS_PORT       = tostring(local.ports.bot)
      FLEETPULSE_TELEGRAM_CHATS = join(",", var.telegram_chats)
    }
    notify = {
      FLEETPULSE_OPS_HOST = "0.0.0.0"
      FLEETPULSE_OPS_PORT = tostring(local.ports.notify)
    }
  }

  models = "s3://${aws_s3_bucket.models.bucket}/models?region=${var.region}"

  # Which keys each secret has; each is the variable that a process gets it by.
  secrets = merge(
    { models = ["FLEETPULSE_MODEL_KEY"] },
    contains(var.processes, "bot") ? { telegram = ["TELEGRAM_TOKEN", "FLEETPULSE_PING_URL"] } : {},
    contains(var.processes, "notify") ? { notify = ["FLEETPULSE_NOTIFY"] } : {},
    local.on_msk ? {} : { kafka = ["KAFKA_BROKER_SETTINGS", "KAFKA_CLUSTER_KEY", "KAFKA_CLUSTER_SECRET"] },
    var.schema_registry ? { schema-registry = ["KAFKA_SCHEMA_ENDPOINT", "SCHEMA_USERNAME", "SCHEMA_PASSWORD"] } : {},
  )

  secrets_of = {
    api      = ["kafka", "schema-registry", "models"]
    consumer = ["kafka", "schema-registry", "models"]
    bot      = ["telegram"]
    notify   = ["notify"]
  }
}

data "aws_caller_identity" "here" {}

data "aws_partition" "here" {}
