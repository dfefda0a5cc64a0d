"""Programs for those who work on fleetpulse; not installed with it."""
