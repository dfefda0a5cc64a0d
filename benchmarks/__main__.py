"""`python -m benchmarks`: every measurement, one after the other."""

from __future__ import annotations

import subprocess
import sys

EACH = (
    "consumer_speed",
    "backlog",
    "latency",
    "alert_latency",
    "deliveries",
    "burst",
    "stack_cost",
    "agent_cost",
    "store_speed",
    "disk_use",
    "dynamodb_speed",
    "model_cost",
    "prediction",
    "feedback",
    "wear",
    "large_file",
)


def main() -> int:
    """Run each in a process of its own; the exit code says whether one failed."""
    failed = []
    for name in EACH:
        print(f"\n== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        if done.returncode != 0:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
