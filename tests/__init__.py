"""The promises of fleetpulse, as sentences that fail when they break."""
