"""The loop: write, then commit; the next batch is staged while one is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from consumer.batch import Batch, Refused
from consumer.pipeline import Pipeline
from fleetpulse.errors import StoreBusy, StoreError
from tests.unit.consumer.builders import a_reading, decode, new_metrics

PATIENCE_S = 10.0


class Batches:
    """A source of these batches that writes down what is committed."""

    def __init__(self, diary: list[str], *batches: Batch) -> None:
        self._diary, self._batches = diary, list(batches)
        self.stop = threading.Event()
        self.settle: Callable[[], None] = lambda: None
        self.revokes = False
        self.revokes_while_holding = False

    def next_batch(self) -> Batch:
        if len(self._batches) == 1:
            self.stop.set()
            if self.revokes:
                self.settle()
                self._diary.append("given away")
        return self._batches.pop(0)

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        for _ in range(3):
            try:
                write()
            except StoreError:
                if self.revokes_while_holding:
                    self.settle()
                continue
            return True
        return False

    def before_revoke(self, settle: Callable[[], None]) -> None:
        self.settle = settle

    def commit(self, batch: Batch) -> None:
        self._diary.append(f"commit {len(batch)}")


class Diary:
    """Letters and a sink that write down what they are given; the first writes may fail."""

    def __init__(self, entries: list[str], failures: int = 0) -> None:
        self._entries, self._failures = entries, failures
        self.may_write = threading.Event()
        self.may_write.set()

    def deliver(self, refused: Sequence[Refused]) -> None:
        self._entries.append(f"letters {len(refused)}")

    def write(self, batch: Batch) -> None:
        assert self.may_write.wait(PATIENCE_S)
        if self._failures > 0:
            self._failures -= 1
            raise StoreBusy("please wait")
        self._entries.append(f"write {len(batch)}")


def one() -> Batch:
    return decode(a_reading(0))


def two() -> Batch:
    return decode(a_reading(5), a_reading(10))


def test_a_store_that_is_busy_when_states_are_read_is_asked_again() -> None:
    entries: list[str] = []
    source, diary = Batches(entries, one()), Diary(entries)
    busy = [StoreBusy("please wait"), StoreBusy("please wait")]

    def prepare(_: Batch) -> None:
        if busy:
            raise busy.pop()

    Pipeline(source, {}, diary, diary, metrics=new_metrics(), prepare=prepare).run(source.stop)

    assert entries[-1] == "commit 1"


def run(*batches: Batch, failures: int = 0) -> list[str]:
    entries: list[str] = []
    source, diary = Batches(entries, *batches), Diary(entries, failures)
    Pipeline(source, {}, diary, diary, metrics=new_metrics()).run(source.stop)
    return entries


def test_a_batch_is_written_before_it_is_committed() -> None:
    assert run(one()) == ["letters 0", "write 1", "commit 1"]


def test_batches_are_written_and_committed_in_order() -> None:
    entries = [entry for entry in run(one(), two()) if "letters" not in entry]

    assert entries == ["write 1", "commit 1", "write 2", "commit 2"]


def test_a_busy_store_gets_the_same_batch_again_but_its_letters_are_sent_once() -> None:
    entries = run(one(), two(), failures=2)

    assert entries[:3] == ["letters 0", "write 1", "commit 1"]


def test_what_cannot_be_written_is_not_committed_nor_is_what_follows() -> None:
    entries = run(one(), two(), failures=99)

    assert not any("commit" in entry for entry in entries)


def test_a_batch_of_no_rows_passes_the_stages_all_the_same() -> None:
    seen: list[int] = []
    source, diary = Batches([], decode()), Diary([])

    def stage(batch: Batch) -> Batch:
        seen.append(len(batch))
        return batch

    Pipeline(source, {"stage": stage}, diary, diary, metrics=new_metrics()).run(source.stop)

    assert seen == [0]


def test_a_bug_in_a_stage_ends_the_work_and_commits_nothing_of_that_batch() -> None:
    entries: list[str] = []
    source, diary = Batches(entries, one()), Diary(entries)

    def stage(_: Batch) -> Batch:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Pipeline(source, {"stage": stage}, diary, diary, metrics=new_metrics()).run(source.stop)

    assert entries == []


def test_the_next_batch_is_read_and_staged_while_one_is_written() -> None:
    entries: list[str] = []
    source, diary = Batches(entries, one(), two()), Diary(entries)
    diary.may_write.clear()

    def stage(batch: Batch) -> Batch:
        if len(batch) == 2:  # reached although the first batch is still being written
            diary.may_write.set()
        return batch

    Pipeline(source, {"stage": stage}, diary, diary, metrics=new_metrics()).run(source.stop)

    assert entries[-1] == "commit 2"


def test_partitions_are_given_away_only_after_the_batch_in_flight_is_committed() -> None:
    entries: list[str] = []
    source, diary = Batches(entries, one(), decode()), Diary(entries)
    source.revokes = True

    Pipeline(source, {}, diary, diary, metrics=new_metrics()).run(source.stop)

    assert entries.index("commit 1") < entries.index("given away")


def test_a_batch_that_got_safe_while_partitions_were_given_away_is_committed_once() -> None:
    entries: list[str] = []
    source, diary = Batches(entries, one(), decode()), Diary(entries, failures=1)
    source.revokes_while_holding = True

    Pipeline(source, {}, diary, diary, metrics=new_metrics()).run(source.stop)

    assert entries.count("commit 1") == 1
