# A first installation: one task of each process, three devices or so. Put in your own domain, zone,
# images and address.
environment    = "dev"
region         = "us-east-1"
domain         = "fleet-dev.example.org"
hosted_zone_id = "Z0000000000000000000"

# Without bot where there is no Telegram, without notify where it has no channel.
processes = ["api", "consumer", "bot", "notify"]

images = {
  api      = "example/fleetpulse-api:0.1.0"
  consumer = "example/fleetpulse-consumer:0.1.0"
  bot      = "example/fleetpulse-bot:0.1.0"
  notify   = "example/fleetpulse-notify:0.1.0"
}

api_tasks           = { least = 1, most = 1 }
consumer_tasks      = { least = 1, most = 1 }
deletion_protection = false
log_days            = 7
alarm_emails        = ["you@example.org"]
budget_dollars      = 150

sizes = {
  api      = { cpu = 256, memory = 512 }
  consumer = { cpu = 512, memory = 2048 }
  bot      = { cpu = 256, memory = 512 }
  notify   = { cpu = 256, memory = 512 }
}
