# Who may speak to whom.
resource "aws_security_group" "load_balancer" {
  name        = "${local.name}-load-balancer"
  description = "HTTPS from outside, and on to the API"
  vpc_id      = aws_vpc.fleet.id
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each = var.allowed_networks

  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_api" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.api
  to_port                      = local.ports.api
  referenced_security_group_id = aws_security_group.service["api"].id
}

resource "aws_security_group" "service" {
  for_each = local.running

  name        = "${local.name}-${each.key}"
  description = "Tasks of ${each.key}"
  vpc_id      = aws_vpc.fleet.id
}

resource "aws_vpc_security_group_ingress_rule" "api_from_load_balancer" {
  security_group_id            = aws_security_group.service["api"].id
  description                  = "Requests and health checks"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.api
  to_port                      = local.ports.api
  referenced_security_group_id = aws_security_group.load_balancer.id
}

# Brokers, Telegram, webhooks and mail servers have ports and addresses of their own choice.
resource "aws_vpc_security_group_egress_rule" "service_out" {
  for_each = local.running

  security_group_id = aws_security_group.service[each.key].id
  description       = "AWS, Kafka, Telegram and whom notify writes to"
  ip_protocol       = "tcp"
  from_port         = 1
  to_port           = 65535
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "endpoints" {
  name        = "${local.name}-endpoints"
  description = "Interface endpoints of AWS"
  vpc_id      = aws_vpc.fleet.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_service" {
  for_each = local.running

  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.service[each.key].id
}
