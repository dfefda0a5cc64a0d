"""The loop: write, then commit; hold while the store is busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from consumer.batch import Batch, Refused
from consumer.pipeline import run
from tests.unit.consumer.builders import a_reading, decode


class OneBatch:
    """A source of one batch that writes down what happens."""

    def __init__(self, batch: Batch, stop: threading.Event, diary: list[str]) -> None:
        self._batch, self._stop, self._diary = batch, stop, diary

    def next_batch(self) -> Batch:
        self._stop.set()
        return self._batch

    def hold_while(self, write: Callable[[], None], stop: threading.Event) -> bool:
        write()
        return not self.gives_up

    gives_up = False

    def commit(self, batch: Batch) -> None:
        self._diary.append("commit")


class Diary:
    """Letters and a sink that write down what they are given."""

    def __init__(self, entries: list[str]) -> None:
        self._entries = entries

    def deliver(self, refused: Sequence[Refused]) -> None:
        self._entries.append(f"letters {len(refused)}")

    def write(self, batch: Batch) -> None:
        self._entries.append(f"write {len(batch)}")


def run_once(batch: Batch, *, gives_up: bool = False, failing: bool = False) -> list[str]:
    entries: list[str] = []
    stop, diary = threading.Event(), Diary(entries)
    source = OneBatch(batch, stop, entries)
    source.gives_up = gives_up

    def stage(one: Batch) -> Batch:
        entries.append("stage")
        if failing:
            raise RuntimeError("a bug")
        return one

    run(source, [stage], diary, diary, stop)
    return entries


def test_a_batch_is_written_before_it_is_committed() -> None:
    assert run_once(decode(a_reading())) == ["stage", "letters 0", "write 1", "commit"]


def test_a_batch_of_no_rows_passes_the_stages_all_the_same() -> None:
    assert run_once(decode())[0] == "stage"


def test_what_could_not_be_written_is_not_committed() -> None:
    assert "commit" not in run_once(decode(a_reading()), gives_up=True)


def test_a_bug_in_a_stage_commits_nothing() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run_once(decode(a_reading()), failing=True)
