variable "environment" {
  description = "Name of this installation: part of every name, and of every tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "A name is 2 to 12 small letters and digits, and begins with a letter."
  }
}

variable "region" {
  description = "Region of AWS."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region looks like eu-central-1."
  }
}

variable "tags" {
  description = "Tags for everything, besides project, environment and managed-by."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.tags), ["project", "environment", "managed-by"])) == 0
    error_message = "project, environment and managed-by are given already."
  }
}

variable "network_cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.network_cidr, 4, 15))
    error_message = "A network looks like 10.40.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the availability zones: a private and a public subnet each, and a broker each with MSK. Add at the end only: subnets go by their order."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = contains([2, 3], length(var.zones)) && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-z]$", zone))])
    error_message = "2 or 3 different letters: a load balancer needs two zones, and MSK takes two or three."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone has its own way out. Off: one for all, which ends with its zone."
  type        = bool
  default     = false
}

variable "interface_endpoints" {
  description = "Services of AWS that are reached inside the VPC; each costs something in each zone. DynamoDB and S3 always are, without charge."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.interface_endpoints, ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager"])) == 0
    error_message = "Of ecr.api, ecr.dkr, kms, logs and secretsmanager."
  }
}

variable "domain" {
  description = "Host name that the API answers to, such as fleet.example.org."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain))
    error_message = "A host name looks like fleet.example.org."
  }
}

variable "hosted_zone_id" {
  description = "Zone of Route 53 that the domain is in: its certificate and its record are then made. Null: give certificate_arn, and point the domain at the output load_balancer_host."
  type        = string
  default     = null

  validation {
    condition     = var.hosted_zone_id == null || can(regex("^Z[A-Z0-9]+$", var.hosted_zone_id))
    error_message = "A zone's id looks like Z0123456789ABCDEFGHIJ."
  }
}

variable "certificate_arn" {
  description = "A certificate of ACM for the domain, where there is no hosted_zone_id."
  type        = string
  default     = null

  validation {
    condition     = (var.certificate_arn == null) != (var.hosted_zone_id == null)
    error_message = "Give either hosted_zone_id or certificate_arn."
  }
}

variable "allowed_networks" {
  description = "Networks that may reach the API."
  type        = set(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for network in var.allowed_networks : can(cidrnetmask(network))])
    error_message = "Networks look like 198.51.100.0/24."
  }
}

variable "deletion_protection" {
  description = "Whether tables, load balancer and models refuse to be deleted, and secrets can be had back for 7 days."
  type        = bool
  default     = true
}

variable "processes" {
  description = "Processes that run. Leave out bot where there is no Telegram, and notify where it has no channel: with nothing to do they end, and every apply ends with an error."
  type        = set(string)
  default     = ["api", "consumer", "bot", "notify"]

  validation {
    condition     = length(setsubtract(["api", "consumer"], var.processes)) == 0 && length(setsubtract(var.processes, ["api", "consumer", "bot", "notify"])) == 0
    error_message = "api and consumer, and of bot and notify those that have something to do."
  }
}

variable "images" {
  description = "Image of each process, whether it runs or not, on Docker Hub or ECR, with a tag or a digest."
  type = object({
    api      = string
    consumer = string
    bot      = string
    notify   = string
  })

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$", image)) && !endswith(image, ":latest")])
    error_message = "An image has a tag other than latest, or a digest: who knows otherwise what runs?"
  }
}

variable "metrics_agent_image" {
  description = "Image of Amazon's CloudWatch agent, which runs beside the consumer and publishes its lag."
  type        = string
  default     = "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300062.0b1304"

  validation {
    condition     = can(regex("cloudwatch-agent(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.metrics_agent_image))
    error_message = "An image of the CloudWatch agent, with its tag or digest."
  }
}

variable "docker_hub_login" {
  description = "Whether images are private on Docker Hub: the secret docker-hub then holds user and token."
  type        = bool
  default     = false
}

variable "cpu_architecture" {
  description = "What the images are built for."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "sizes" {
  description = "CPU units (1,024 are a core) and MiB of memory of a task of each process."
  type = map(object({
    cpu    = number
    memory = number
  }))
  default = {
    api      = { cpu = 512, memory = 1024 }
    consumer = { cpu = 1024, memory = 2048 }
    bot      = { cpu = 256, memory = 512 }
    notify   = { cpu = 256, memory = 512 }
  }

  validation {
    condition     = toset(keys(var.sizes)) == toset(["api", "consumer", "bot", "notify"])
    error_message = "Sizes of api, consumer, bot and notify, of nothing else."
  }

  validation {
    condition     = alltrue([for size in values(var.sizes) : contains([256, 512, 1024, 2048, 4096], size.cpu) && size.memory >= 2 * size.cpu && size.memory <= 8 * size.cpu])
    error_message = "Fargate takes 256, 512, 1024, 2048 or 4096 CPU units, and 2 to 8 MiB for each."
  }
}

variable "api_tasks" {
  description = "Fewest and most tasks of the API."
  type        = object({ least = number, most = number })
  default     = { least = 1, most = 4 }

  validation {
    condition     = var.api_tasks.least >= 1 && var.api_tasks.most >= var.api_tasks.least
    error_message = "At least one, and no fewer most than least."
  }
}

variable "api_requests_per_minute" {
  description = "Requests a minute of one task of the API that tasks are added above."
  type        = number
  default     = 1000

  validation {
    condition     = var.api_requests_per_minute >= 60
    error_message = "At least 60."
  }
}

variable "consumer_tasks" {
  description = "Fewest and most consumers."
  type        = object({ least = number, most = number })
  default     = { least = 1, most = 4 }

  validation {
    condition     = var.consumer_tasks.least >= 1 && var.consumer_tasks.most >= var.consumer_tasks.least && var.consumer_tasks.most <= var.partitions
    error_message = "At least one, no fewer most than least, and no more than there are partitions."
  }
}

variable "consumer_lag_records" {
  description = "Records that one consumer may be behind before another is added."
  type        = number
  default     = 20000

  validation {
    condition     = var.consumer_lag_records >= 1000
    error_message = "At least 1,000: less is a moment's delay."
  }
}

variable "partitions" {
  description = "Partitions of the topics that are made: FLEETPULSE_PARTITIONS."
  type        = number
  default     = 12

  validation {
    condition     = var.partitions >= 1 && var.partitions <= 10000
    error_message = "1 to 10,000."
  }
}

variable "store_layout" {
  description = "How readings lie in DynamoDB: reading (small fleets) or minute (some 100 devices and more). Fixed when the store is made; docs/dynamodb.md compares them."
  type        = string
  default     = "reading"

  validation {
    condition     = contains(["reading", "minute"], var.store_layout)
    error_message = "reading or minute."
  }
}

variable "kafka" {
  description = "confluent: address and keys of Confluent Cloud, or of any cluster with SASL/PLAIN, from the secret kafka. msk: a cluster of Amazon MSK is made, and kept until prevent_destroy is taken out of kafka.tf."
  type        = string
  default     = "confluent"

  validation {
    condition     = contains(["confluent", "msk"], var.kafka)
    error_message = "confluent or msk."
  }
}

variable "msk" {
  description = "MSK's version of Kafka, kind of broker, and GiB of storage of each broker."
  type = object({
    version     = string
    broker      = string
    storage_gib = number
  })
  default = { version = "3.9.x", broker = "kafka.t3.small", storage_gib = 50 }

  validation {
    condition     = startswith(var.msk.broker, "kafka.") && var.msk.storage_gib >= 1 && var.msk.storage_gib <= 16384
    error_message = "A broker looks like kafka.m7g.large and has 1 to 16,384 GiB."
  }
}

variable "msk_password_version" {
  description = "Grow it to give the user fleetpulse on MSK a new password."
  type        = number
  default     = 1

  validation {
    condition     = var.msk_password_version >= 1
    error_message = "At least 1."
  }
}

variable "schema_registry" {
  description = "Whether there is a schema registry: the secret schema-registry then holds its address and keys."
  type        = bool
  default     = false
}

variable "telegram_chats" {
  description = "Ids of the Telegram chats that the bot answers and warns."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for chat in var.telegram_chats : can(regex("^-?[0-9]+$", chat))])
    error_message = "Ids of chats are numbers."
  }
}

variable "log_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "What CloudWatch takes: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "alarm_emails" {
  description = "Who is written to by alarms and the budget."
  type        = set(string)

  validation {
    condition     = length(var.alarm_emails) > 0 && alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "At least one address of e-mail."
  }
}

variable "budget_dollars" {
  description = "What a month may cost; 80 % of it, and a forecast above it, are told."
  type        = number

  validation {
    condition     = var.budget_dollars >= 1
    error_message = "At least one dollar."
  }
}
