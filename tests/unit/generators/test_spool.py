"""Readings wait on the disk in order, whatever happens to the agent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetpulse.clock import ManualClock
from fleetpulse.errors import StartError
from generators import spool as spool_module
from generators.spool import MEMORY_READINGS, SEQ_LEAP, Spool
from tests.unit.generators.fakes import Disk

MANY = 1_000_000
Opener = Callable[..., Spool]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Iterator[Opener]:
    """Opens the spool in tmp_path; what it held before is as after a `kill -9`."""
    spools: list[Spool] = []

    def open_spool(cap_bytes: int = 64 * 1024, **more: object) -> Spool:
        if spools:
            os.close(spools[-1]._lock)  # a killed process holds no lock
        spools.append(Spool(tmp_path / "spool", cap_bytes, clock, **more))  # type: ignore[arg-type]
        return spools[-1]

    yield open_spool
    for spool in spools[-1:]:
        spool.close()


def fill(spool: Spool, readings: int) -> None:
    for _ in range(readings):
        spool.append(b'{"seq":%d}' % spool.next_seq)


def seqs(spool: Spool, limit: int = MANY) -> list[int]:
    return [entry.seq for entry in spool.take(limit)]


def segments(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").glob("*.readings"))


def test_readings_are_handed_out_in_order_and_once(opened: Opener) -> None:
    spool = opened()
    fill(spool, 5)

    assert seqs(spool, 2) == [1, 2]
    assert seqs(spool) == [3, 4, 5]
    assert seqs(spool) == []


def test_a_payload_comes_back_as_it_was(opened: Opener) -> None:
    spool = opened()
    spool.append('{"device_id":"pi","label":"°C"}'.encode())

    assert spool.take(1)[0].payload.decode() == '{"device_id":"pi","label":"°C"}'


def test_what_is_acknowledged_does_not_come_back_after_a_kill(opened: Opener) -> None:
    spool = opened()
    fill(spool, 5)
    for seq in seqs(spool, 3):
        spool.ack(seq)
    spool.settle()

    again = opened()

    assert seqs(again) == [4, 5]
    assert again.depth == 2
    assert again.next_seq == 6


def test_an_acknowledgement_that_was_not_saved_repeats_readings_and_loses_none(
    opened: Opener,
) -> None:
    spool = opened()
    fill(spool, 3)
    for seq in seqs(spool, 2):
        spool.ack(seq)  # and killed before `settle`

    assert seqs(opened()) == [1, 2, 3]


def test_seq_goes_on_when_everything_was_acknowledged(opened: Opener) -> None:
    spool = opened()
    fill(spool, 5)
    for seq in seqs(spool):
        spool.ack(seq)
    spool.close()

    assert opened_again(spool, opened).next_seq == 6


def opened_again(closed: Spool, opened: Opener) -> Spool:
    """The same spool after it was closed in peace."""
    closed._lock = os.open(os.devnull, os.O_RDONLY)  # closed already; the fixture closes it again
    return opened()


def test_rewinding_hands_out_everything_that_is_not_acknowledged(opened: Opener) -> None:
    spool = opened()
    fill(spool, 5)
    taken = seqs(spool, 4)
    spool.ack(taken[0])

    spool.rewind()

    assert seqs(spool) == [2, 3, 4, 5]


def test_acknowledgements_out_of_order_count_once_all_before_them_have_come(
    opened: Opener,
) -> None:
    spool = opened()
    fill(spool, 4)
    seqs(spool)

    spool.ack(2)
    spool.ack(3)
    before = spool.depth
    spool.ack(1)

    assert (before, spool.depth) == (4, 1)


def test_a_kill_before_the_oldest_is_acknowledged_repeats_readings_and_loses_none(
    opened: Opener,
) -> None:
    spool = opened()
    fill(spool, 4)
    seqs(spool)
    spool.ack(1)
    spool.ack(3)
    spool.settle()

    assert seqs(opened()) == [2, 3, 4]


def test_only_what_was_handed_out_can_be_acknowledged(opened: Opener) -> None:
    spool = opened()
    fill(spool, 2)
    seqs(spool, 1)

    with pytest.raises(ValueError, match="acknowledged 2, which is not handed out"):
        spool.ack(2)


def test_a_reading_that_is_given_up_is_counted_and_does_not_come_back(opened: Opener) -> None:
    spool = opened()
    fill(spool, 2)
    first, _ = seqs(spool)
    spool.give_up(first)
    spool.settle()

    again = opened()

    assert seqs(again) == [2]
    assert (again.depth, again.dropped) == (1, 1)


def test_a_payload_of_two_lines_is_refused(opened: Opener) -> None:
    with pytest.raises(ValueError, match="one line"):
        opened().append(b"{\n}")


def test_the_disk_is_given_back_once_the_broker_has_the_readings(
    opened: Opener, tmp_path: Path
) -> None:
    spool = opened()
    fill(spool, 1000)
    assert len(segments(tmp_path)) > 3

    for seq in seqs(spool):
        spool.ack(seq)

    assert len(segments(tmp_path)) == 1


def test_past_the_cap_the_oldest_go_and_are_counted_exactly(opened: Opener, tmp_path: Path) -> None:
    spool = opened()
    fill(spool, 5000)

    kept = seqs(spool)

    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 64 * 1024
    assert kept == list(range(5001 - len(kept), 5001))
    assert spool.dropped == 5000 - len(kept)
    assert spool.depth == len(kept)


def test_the_count_of_dropped_readings_survives_a_kill(opened: Opener) -> None:
    spool = opened()
    fill(spool, 5000)
    spool.settle()

    again = opened()

    assert again.dropped == spool.dropped > 0
    assert again.depth == spool.depth


def test_a_reading_that_arrives_after_it_was_dropped_is_taken_off_the_count(
    opened: Opener,
) -> None:
    spool = opened()
    fill(spool, 10)
    on_the_way = seqs(spool)
    fill(spool, 5000)
    before = spool.dropped

    for seq in on_the_way:
        spool.ack(seq)

    assert spool.dropped == before - 10
    assert spool.dropped + spool.depth + 10 == 5010


def test_dropping_is_said_in_the_log_with_both_counts(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened()

    fill(spool, 5000)

    assert f"{spool.dropped} in all" in caplog.messages[-1]


def test_a_second_agent_on_the_same_spool_is_refused_with_a_sentence(
    opened: Opener, tmp_path: Path, clock: ManualClock
) -> None:
    opened()

    with pytest.raises(StartError, match=r"Another agent uses .* its own --device-id\.$"):
        Spool(tmp_path / "spool", 64 * 1024, clock)


def test_a_folder_that_cannot_be_made_is_said_with_a_sentence(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "spool").write_text("a file")

    with pytest.raises(StartError, match=r"cannot be made \(.*\): make room .* with --data\.$"):
        Spool(tmp_path / "spool" / "pi", 64 * 1024, clock)


def test_a_first_start_on_a_full_disk_is_told_and_goes_on_from_memory(
    opened: Opener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    disk.free_bytes = 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda file, content, offset: disk.write(file, content))
        spool = opened(write=disk.write)
        fill(spool, 3)
        assert seqs(spool) == [1, 2, 3]
        spool.ack(1)
        spool.settle()
        (sentence,) = caplog.messages
    disk.free_bytes = None
    fill(spool, 1)
    spool.settle()

    assert "cannot be written (No space left on device)" in sentence
    assert "make room on the disk" in sentence
    assert seqs(opened()) == [2, 3, 4]


def test_a_position_that_gets_half_its_room_is_written_once_there_is_more(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda file, content, at: pwrite(file, content[:5000], at))
        spool = opened()
        fill(spool, 3)
        spool.ack(seqs(spool)[0])
        spool.settle()
    spool.settle()

    assert seqs(opened()) == [2, 3]


def test_a_position_that_cannot_be_made_is_said_with_a_sentence(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def full(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("position"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open_file(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(StartError, match=r"position cannot be opened \(No space left"):
            opened()

    assert opened().depth == 0  # the lock is free


def test_nothing_is_forced_to_the_disk_while_the_broker_takes_each_reading(
    opened: Opener, clock: ManualClock
) -> None:
    forced: list[int] = []
    spool = opened(sync=forced.append)

    for _ in range(100):
        fill(spool, 1)
        spool.ack(seqs(spool)[0])
        spool.settle()
        clock.advance(5)

    assert forced == []


def test_waiting_readings_are_forced_to_the_disk_every_30_seconds(
    opened: Opener, clock: ManualClock
) -> None:
    forced: list[int] = []
    spool = opened(sync=forced.append)

    for _ in range(24):  # two minutes
        fill(spool, 1)
        spool.settle()
        clock.advance(5)

    assert len(forced) == 3


def test_after_a_power_cut_no_seq_is_used_twice(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    fill(spool, 3)
    spool.settle()
    monkeypatch.setattr(spool_module, "boot_id", lambda: "the next start of the machine")

    assert opened().next_seq == 4 + SEQ_LEAP


def test_after_a_restart_of_the_machine_in_peace_seq_has_no_gap(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    fill(spool, 3)
    spool.close()
    monkeypatch.setattr(spool_module, "boot_id", lambda: "the next start of the machine")

    assert opened_again(spool, opened).next_seq == 4


def test_on_a_full_disk_readings_are_handed_out_from_memory(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    spool = opened(write=disk.write)
    fill(spool, 2)
    disk.free_bytes = 10  # room for half a line

    fill(spool, 3)

    assert seqs(spool) == [1, 2, 3, 4, 5]
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.messages[0]


def test_when_the_disk_has_room_again_everything_is_on_it_in_order(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    spool = opened(write=disk.write)
    fill(spool, 2)
    disk.free_bytes = 10
    fill(spool, 3)
    seqs(spool, 4)
    disk.free_bytes = None
    fill(spool, 1)

    rest = seqs(spool)
    for seq in (1, 2, 3):
        spool.ack(seq)
    spool.settle()

    assert rest == [5, 6]
    assert "can be written again" in caplog.messages[-1]
    again = opened()
    assert again.damage == ()  # no half line stayed
    assert seqs(again) == [4, 5, 6]


def test_a_reading_in_memory_can_be_acknowledged_and_rewound(opened: Opener) -> None:
    disk = Disk()
    spool = opened(write=disk.write)
    disk.free_bytes = 0
    fill(spool, 3)
    spool.ack(seqs(spool)[0])

    spool.rewind()

    assert seqs(spool) == [2, 3]
    assert spool.depth == 2


def test_a_reading_in_memory_that_was_acknowledged_early_is_rewound_too(opened: Opener) -> None:
    disk = Disk()
    spool = opened(write=disk.write)
    disk.free_bytes = 0
    fill(spool, 2)
    seqs(spool)
    spool.ack(2)

    spool.rewind()
    for seq in seqs(spool):
        spool.ack(seq)

    assert spool.depth == 0


def test_memory_is_bounded_and_what_goes_past_it_is_counted(opened: Opener) -> None:
    disk = Disk()
    spool = opened(write=disk.write)
    disk.free_bytes = 0

    fill(spool, MEMORY_READINGS + 7)

    assert spool.dropped == 7
    assert seqs(spool) == list(range(8, MEMORY_READINGS + 8))


def test_a_disk_that_becomes_read_only_does_not_stop_delivery(
    opened: Opener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    fill(spool, 1000)

    def refuse(*words: object, **more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        for name in ("pwrite", "unlink"):
            patch.setattr(os, name, refuse)
        for seq in seqs(spool):
            spool.ack(seq)
        spool.settle()

    assert spool.depth == 0
    assert "cannot be written (Read-only file system)" in caplog.messages[0]
    assert seqs(opened()) == list(range(1, 1001))  # repeated, for nothing could be noted
