# HTTPS from outside to the API.
resource "aws_lb" "api" {
  name                       = local.name
  load_balancer_type         = "application"
  subnets                    = aws_subnet.public[*].id
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  xff_header_processing_mode = "append" # FLEETPULSE_TRUSTED_PROXIES=1 believes the last address

  access_logs {
    enabled = true
    bucket  = aws_s3_bucket.access_log.id
  }

  depends_on = [aws_s3_bucket_policy.tls_only]
}

resource "aws_lb_target_group" "api" {
  name                 = local.name
  vpc_id               = aws_vpc.fleet.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.ports.api
  deregistration_delay = 30

  # /healthz, not /readyz: the API answers while it waits for Kafka or the store.
  health_check {
    path                = "/healthz"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
    matcher             = "200"
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.api.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

locals {
  in_our_zone     = var.hosted_zone_id != null
  certificate_arn = local.in_our_zone ? aws_acm_certificate_validation.api[0].certificate_arn : var.certificate_arn
}

resource "aws_acm_certificate" "api" {
  count = local.in_our_zone ? 1 : 0

  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  count = local.in_our_zone ? 1 : 0

  zone_id         = var.hosted_zone_id
  name            = one(aws_acm_certificate.api[0].domain_validation_options).resource_record_name
  type            = one(aws_acm_certificate.api[0].domain_validation_options).resource_record_type
  records         = [one(aws_acm_certificate.api[0].domain_validation_options).resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "api" {
  count = local.in_our_zone ? 1 : 0

  certificate_arn         = aws_acm_certificate.api[0].arn
  validation_record_fqdns = [aws_route53_record.validation[0].fqdn]
}

resource "aws_route53_record" "api" {
  count = local.in_our_zone ? 1 : 0

  zone_id = var.hosted_zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.api.dns_name
    zone_id                = aws_lb.api.zone_id
    evaluate_target_health = false
  }
}
