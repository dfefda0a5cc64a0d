"""What the whole local stack costs while nothing happens: CPU and memory of each of its processes.

`python -m benchmarks.stack_cost [--seconds 150]`

CPU is in percent of one core, as the scheduler counts it. Memory is the proportional set size
(PSS): pages that processes share are counted once over all of them; the resident set (RSS) counts
them in each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import track

from benchmarks.agent_cost import cpu_seconds
from benchmarks.local_stack import LocalStack

WARM_UP_S = 45.0
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process used so far, and holds."""

    name: str
    cpu_s: float
    pss_bytes: int
    rss_bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=150.0, help="how long to measure")
    parser.add_argument("--interval", type=float, default=5.0, help="of the agents, in seconds")
    arguments = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(Path(folder), interval_s=arguments.interval) as stack,
    ):
        wait(WARM_UP_S, "settling")
        before, begin = costs(stack.process_id), time.monotonic()
        wait(arguments.seconds, "measuring")
        after, seconds = costs(stack.process_id), time.monotonic() - begin
    report(before, after, seconds)
    return 0


def wait(seconds: float, why: str) -> None:
    """Let `seconds` pass, with a progress bar."""
    console = Console(stderr=True)
    for _ in track(range(round(seconds)), why, console=console, transient=not console.is_terminal):
        time.sleep(1)


def costs(launcher: int) -> dict[int, Cost]:
    """The launcher and all its descendants, by process id."""
    parent = psutil.Process(launcher)
    return {each.pid: cost(each) for each in [parent, *parent.children(recursive=True)]}


def cost(process: psutil.Process) -> Cost:
    """What one process used so far, and holds."""
    with process.oneshot():
        memory, words = process.memory_full_info(), process.cmdline()
    return Cost(
        name=" ".join(words[words.index("-m") + 1 :][:3]) if "-m" in words else words[0],
        cpu_s=cpu_seconds(process.pid),
        pss_bytes=memory.pss,
        rss_bytes=memory.rss,
    )


def report(before: dict[int, Cost], after: dict[int, Cost], seconds: float) -> None:
    """Print a line per process, and all of them together."""
    print(f"{'process':<42}{'CPU %':>8}{'PSS MB':>9}{'RSS MB':>9}")
    total_cpu = total_pss = 0.0
    for process_id, now in after.items():
        began_s = before[process_id].cpu_s if process_id in before else 0.0
        cpu = 100 * (now.cpu_s - began_s) / seconds
        pss = now.pss_bytes / MEGABYTE
        total_cpu, total_pss = total_cpu + cpu, total_pss + pss
        print(f"{now.name:<42}{cpu:>8.2f}{pss:>9.1f}{now.rss_bytes / MEGABYTE:>9.1f}")
    print(f"{'all of it':<42}{total_cpu:>8.2f}{total_pss:>9.1f}")
    gone = len(before.keys() - after.keys())
    if gone:
        print(f"{gone} processes ended meanwhile: this was no idle stack")


if __name__ == "__main__":
    sys.exit(main())
