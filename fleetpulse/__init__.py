"""What every fleetpulse process agrees on: telemetry, wire format, alerts, policy, stores.

Nothing in here starts anything on import, and nothing outside `stores` and `cli` needs more than
msgspec and confluent-kafka, so that an agent stays small.
"""

__version__ = "0.1.0"
