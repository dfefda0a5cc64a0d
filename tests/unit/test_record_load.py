"""The work that is recorded comes and goes, on some cores and on all, within bounds."""

from __future__ import annotations

import random
from itertools import islice

from scripts.record_load import WORK, Job, jobs

CORES = 4


def some_jobs(seed: int = 1) -> list[Job]:
    return list(islice(jobs(random.Random(seed), CORES), 300))


def test_the_same_seed_asks_for_the_same_work() -> None:
    assert some_jobs(3) == some_jobs(3)
    assert some_jobs(3) != some_jobs(4)


def test_work_is_of_every_kind_on_one_core_on_all_and_on_none() -> None:
    found = some_jobs()

    assert {job.work for job in found} == set(WORK)
    assert {job.cores for job in found} == set(range(CORES + 1))


def test_no_job_is_longer_than_four_minutes_and_none_asks_for_more_than_there_is() -> None:
    for job in some_jobs():
        assert 4 <= job.seconds <= 240
        assert 0 <= job.cores <= CORES
        assert job.cores == 0 or 0.2 <= job.share <= 1


def test_there_are_pauses_of_some_length() -> None:
    pauses = [job.seconds for job in some_jobs() if job.cores == 0]

    assert len(pauses) > 30
    assert max(pauses) > 60
