output "url" {
  description = "Address of the API and the dashboard; FLEETPULSE_API of the agents."
  value       = "https://${var.domain}"
}

output "load_balancer_host" {
  description = "What the domain's CNAME leads to where there is no hosted_zone_id."
  value       = aws_lb.api.dns_name
}

output "tables" {
  description = "Names of the tables."
  value       = { for name, table in aws_dynamodb_table.store : name => table.name }
}

output "store" {
  description = "FLEETPULSE_STORE, for commands of your own."
  value       = local.environment_of_all.FLEETPULSE_STORE
}

output "models" {
  description = "FLEETPULSE_MODELS, for `fleetpulse models publish`."
  value       = local.models
}

output "models_publisher_policy" {
  description = "Policy for whoever publishes models."
  value       = aws_iam_policy.models_publisher.arn
}

output "secrets" {
  description = "Secrets whose values are put in by hand, and their keys."
  value       = { for name, names in local.secrets : aws_secretsmanager_secret.of[name].name => names }
}

output "cluster" {
  description = "Cluster of ECS that the services are in."
  value       = aws_ecs_cluster.fleet.name
}

output "kafka_iam_brokers" {
  description = "With MSK: bootstrap brokers for whoever gives the first rights."
  value       = one(aws_msk_cluster.kafka[*].bootstrap_brokers_sasl_iam)
}

output "kafka_admin_security_group" {
  description = "With MSK: the security group of a machine that Kafka is administered from."
  value       = one(aws_security_group.kafka_admin[*].id)
}
