"""What fleetpulse does a second, and what it costs; `make bench` runs all of it.

Not tests: numbers depend on the machine. docs/benchmarks.md holds those of the reference machine.
"""
