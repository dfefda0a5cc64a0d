"""Record this machine under real work: readings as its agent takes them, as a CSV to train on.

    python -m scripts.record_load --minutes 30 --output recording.csv

Work of many kinds (compress, sort, hash, compile, write to disk) comes and goes on some or all
cores, with pauses; it ends with the recording. The same seed asks for the same work.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import hashlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from rich.progress import track

from fleetpulse.settings import AgentSettings, load
from fleetpulse.telemetry import CHANNEL_NAMES
from generators.agent import reading_of
from generators.pc import source_from

INTERVAL_S = 2.0
_SLICE_S = 0.1  # of work and rest, for work that does not take the whole core
Work = Callable[[], object]


def compress() -> object:
    """A megabyte of noise."""
    return zlib.compress(os.urandom(1_000_000), 6)


def sort() -> object:
    """A hundred thousand numbers."""
    return sorted(random.random() for _ in range(100_000))  # noqa: S311 - work, not a secret


def digest() -> object:
    """Twenty megabytes."""
    return hashlib.sha256(bytes(20_000_000)).digest()


def build() -> object:
    """The standard library's json package, to byte code."""
    return compileall.compile_dir(Path(json.__file__).parent, quiet=2, force=True)


def write() -> object:
    """Eight megabytes to the disk, for sure."""
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(8_000_000))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


WORK: Sequence[Work] = (compress, sort, digest, build, write)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work for a while on some cores, for some share of the time."""

    work: Work
    cores: int  # 0: a pause
    share: float
    seconds: float


def jobs(rng: random.Random, cores: int) -> Iterator[Job]:
    """One after the other, for ever: long and short, on one core and on all, with pauses."""
    while True:
        yield Job(work=rng.choice(WORK), cores=0, share=0, seconds=rng.uniform(5, 90))
        for _ in range(rng.randint(1, 4)):
            yield Job(
                work=rng.choice(WORK),
                cores=rng.choice((1, cores, cores, rng.randint(1, cores))),
                share=rng.choice((1.0, 1.0, rng.uniform(0.2, 0.9))),
                seconds=rng.choice((rng.uniform(4, 30), rng.uniform(60, 240))),
            )


def labour(job: Job) -> None:
    """Do this job; in a process of its own."""
    ends_at = time.monotonic() + job.seconds
    while time.monotonic() < ends_at:
        started = time.monotonic()
        while time.monotonic() - started < _SLICE_S * job.share:
            job.work()
        worked_s = time.monotonic() - started
        time.sleep(worked_s * (1 / job.share - 1))


class Workers:
    """The processes that work."""

    def __init__(self, asked: Iterator[Job]) -> None:
        self._jobs = asked
        self._ends_at = 0.0
        self._processes: list[BaseProcess] = []

    def keep_busy(self) -> None:
        """Begin the next job if the last one is over."""
        if time.monotonic() < self._ends_at:
            return
        self.stop()
        job = next(self._jobs)
        self._ends_at = time.monotonic() + job.seconds
        self._processes = [
            multiprocessing.Process(target=labour, args=(job,), daemon=True)
            for _ in range(job.cores)
        ]
        for process in self._processes:
            process.start()

    def stop(self) -> None:
        """End them."""
        for process in self._processes:
            process.terminate()
            process.join()


def main(argv: Sequence[str] | None = None) -> int:
    """Record; the exit code."""
    parser = argparse.ArgumentParser(prog="record_load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--name", default="recorded-pc", help="the machine's name in the file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    source = source_from(load(AgentSettings))
    cores = os.cpu_count() or 1
    workers = Workers(jobs(random.Random(options.seed), cores))  # noqa: S311
    begins_at = time.monotonic()
    with options.output.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["device_id", "kind", "measured_at", *CHANNEL_NAMES])
        try:
            for tick in track(range(round(60 * options.minutes / INTERVAL_S)), "record"):
                workers.keep_busy()
                time.sleep(max(0.0, begins_at + INTERVAL_S * (tick + 1) - time.monotonic()))
                at_ms = round(time.time() * 1000)
                reading = reading_of(source, options.name, tick, at_ms)
                values = [value for _, value in reading.channels()]
                rows.writerow([options.name, source.kind, at_ms, *values])
        finally:
            workers.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
