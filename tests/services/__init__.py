"""Real services for tests, started from packages without Docker; one module per service."""
