"""How long `fleetpulse score` takes for a large file, and how much memory.

python -m benchmarks.large_file [rows]

1,000 devices, sorted by time; the file is made first and removed afterwards.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import track

DEVICES, EVERY_MS = 1_000, 5_000
START_MS = 1_795_348_800_000
REST_C = 50.0


def make(path: Path, rows: int) -> None:
    """Temperatures that wander about REST_C, and any load."""
    rng = random.Random(1)
    temperature_c = [REST_C] * DEVICES
    with path.open("w", encoding="utf-8") as file:
        file.write("device_id,measured_at,temperature_c,load_pct\n")
        for tick in track(range(rows // DEVICES), "make the file"):
            for device in range(DEVICES):
                pull = 0.01 * (REST_C - temperature_c[device])
                temperature_c[device] += rng.uniform(-1, 1) + pull
                at = START_MS + EVERY_MS * tick + device
                load = rng.randrange(100)
                file.write(f"d{device:04d},{at},{temperature_c[device]:.1f},{load}\n")


def main() -> int:
    """Print a line."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "in.csv", Path(folder) / "out.csv"
        make(path, rows)
        size_mb = path.stat().st_size / 1e6
        command = ["score", "--input", str(path), "--output", str(output)]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "fleetpulse.cli", *command, "--limit", "temperature_c=55"],
            check=False,
        )
        seconds = time.perf_counter() - started
    resident_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"{rows:,} rows, {size_mb:.0f} MB: {seconds:.0f} s, {resident_mb:.0f} MB resident")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
