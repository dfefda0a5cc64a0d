# A fleet of hundreds to thousands of devices. Put in your own domain, zone, images and address.
environment    = "prod"
region         = "us-east-1"
domain         = "fleet.example.org"
hosted_zone_id = "Z0000000000000000000"

# Without bot where there is no Telegram, without notify where it has no channel.
processes = ["api", "consumer", "bot", "notify"]

images = {
  api      = "example/fleetpulse-api:0.1.0"
  consumer = "example/fleetpulse-consumer:0.1.0"
  bot      = "example/fleetpulse-bot:0.1.0"
  notify   = "example/fleetpulse-notify:0.1.0"
}

zones               = ["a", "b", "c"]
nat_per_zone        = true
interface_endpoints = ["logs"]
store_layout        = "minute"
api_tasks           = { least = 2, most = 8 }
consumer_tasks      = { least = 2, most = 6 }
partitions          = 12
log_days            = 90
alarm_emails        = ["you@example.org"]
budget_dollars      = 2500
