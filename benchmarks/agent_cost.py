"""What an agent costs: share of a core and resident memory, against the embedded broker.

`python -m benchmarks.agent_cost [--seconds 60] [--interval 5] [--agent pc]`

CPU time is the kernel's count (nanoseconds, all threads, librdkafka's too) between two moments
after the start; the broker runs in a process of its own and is not counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fleetpulse.address import BROKER_FILE

WARM_UP_S = 12.0  # imports, the first connection, the first readings
BROKER = """
import sys, time
from pathlib import Path
from fleetpulse.kafka import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
time.sleep(3600)
"""


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_mb(pid: int, field: str) -> float:
    """VmRSS (now) or VmHWM (most) of a process, in MB of 1,000,000 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024 / 1e6


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--interval", type=float, default=5.0, help="of the agent, in seconds")
    parser.add_argument("--agent", default="pc", help="pc, raspberry or simulated")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        broker = subprocess.Popen([sys.executable, "-c", BROKER, folder])
        words = ["-m", "generators", arguments.agent, "--data", folder]
        words += ["--interval", f"{arguments.interval:g}"]
        try:
            while not (Path(folder) / BROKER_FILE).exists():
                time.sleep(0.1)
            agent = subprocess.Popen([sys.executable, *words])
            try:
                report(agent.pid, arguments.seconds, arguments.interval)
            finally:
                agent.terminate()
                agent.wait()
        finally:
            broker.kill()
            broker.wait()
    print("command: python", *words[:3], "--interval", f"{arguments.interval:g}")
    return 0


def report(pid: int, seconds: float, interval_s: float) -> None:
    """Measure a running agent and print what it costs."""
    time.sleep(WARM_UP_S)
    began, before = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    used_s, elapsed_s = cpu_seconds(pid) - before, time.monotonic() - began
    print(
        f"{100 * used_s / elapsed_s:.3f} % of a core"
        f" ({1000 * used_s / (elapsed_s / interval_s):.2f} ms a reading),"
        f" {resident_mb(pid, 'VmRSS'):.1f} MB resident"
        f" (most: {resident_mb(pid, 'VmHWM'):.1f} MB), over {elapsed_s:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
