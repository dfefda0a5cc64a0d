"""A spool that is damaged starts, keeps what can be read, and says what cannot."""

from __future__ import annotations

import errno
import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.clock import ManualClock
from fleetpulse.errors import StartError
from generators.spool import SEQ_LEAP, Spool
from generators.spool_files import UNREADABLE_KEPT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool of ten waiting readings, its agent gone."""
    spool = opened(tmp_path)
    for seq in range(1, 11):
        spool.append(b'{"seq":%d}' % seq)
    spool.close()
    return tmp_path


def opened(folder: Path) -> Spool:
    return Spool(folder, 64 * 1024, ManualClock())


def segment(folder: Path) -> Path:
    return sorted(folder.glob("*.readings"))[0]


def seqs(spool: Spool) -> list[int]:
    return [entry.seq for entry in spool.take(1_000_000)]


def test_a_truncated_spool_keeps_every_whole_reading(folder: Path) -> None:
    path = segment(folder)
    os.truncate(path, path.stat().st_size - 5)

    spool = opened(folder)

    assert seqs(spool) == list(range(1, 10))
    assert spool.depth == 9


def test_it_says_which_file_and_how_much(folder: Path) -> None:
    path = segment(folder)
    os.truncate(path, path.stat().st_size - 5)

    spool = opened(folder)

    aside = path.with_name(f"{path.stem}-1.unreadable")
    assert spool.damage == (
        f"{path}: 18 bytes (1 lines) cannot be read; they are set aside in {aside}.",
        f"{folder}: 1 readings are gone; they are counted as dropped.",
    )
    assert aside.stat().st_size == 18


def test_one_flipped_bit_costs_one_reading(folder: Path) -> None:
    path = segment(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b'{"seq":5}') + 7] ^= 1  # 5 becomes 4
    path.write_bytes(content)

    assert seqs(opened(folder)) == [1, 2, 3, 4, 6, 7, 8, 9, 10]


def test_noise_in_the_middle_leaves_both_sides(folder: Path) -> None:
    path = segment(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + os.urandom(300) + b"\n" + b"".join(lines[3:]))

    assert seqs(opened(folder)) == list(range(1, 11))


def test_damage_is_told_once_and_the_spool_goes_on(folder: Path) -> None:
    path = segment(folder)
    os.truncate(path, path.stat().st_size - 5)
    opened(folder).close()

    again = opened(folder)
    again.append(b"{}")

    assert again.damage == ()
    assert seqs(again)[:9] == list(range(1, 10))
    assert len(seqs(again)) == 0


def test_after_damage_no_seq_is_used_twice(folder: Path) -> None:
    path = segment(folder)
    os.truncate(path, path.stat().st_size - 5)

    assert opened(folder).next_seq >= SEQ_LEAP


def test_a_segment_of_noise_is_set_aside_whole(folder: Path) -> None:
    segment(folder).write_bytes(os.urandom(5000))

    spool = opened(folder)

    assert seqs(spool) == []
    assert "5000 bytes" in spool.damage[0]


@pytest.mark.parametrize("body", [b"", b" {}", b"five {}", b"-5 {}", b"9" * 5000 + b" {}"])
def test_a_line_with_the_right_checksum_and_no_seq_is_damage(folder: Path, body: bytes) -> None:
    with segment(folder).open("ab") as file:
        file.write(b"%08x %s\n" % (zlib.crc32(body), body))

    spool = opened(folder)

    assert seqs(spool) == list(range(1, 11))
    assert "(1 lines) cannot be read" in spool.damage[0]


checked_lines = st.binary(max_size=40).map(lambda body: b"%08x %s\n" % (zlib.crc32(body), body))
numbered_lines = st.builds(
    lambda seq, payload: b"%08x %d %s\n" % (zlib.crc32(b"%d %s" % (seq, payload)), seq, payload),
    st.integers(0, 10**15) | st.integers(10**18),  # what a spool can reach, and beyond
    st.binary(max_size=9),
)


@given(st.lists(st.binary(max_size=40) | checked_lines | numbered_lines, max_size=12).map(b"".join))
def test_whatever_bytes_are_in_a_segment_the_spool_starts_and_goes_on(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / f"{1:020d}.readings").write_bytes(content)

        spool = opened(Path(name))
        spool.append(b'{"after":1}')
        taken = spool.take(1_000_000)
        for entry in taken:
            spool.ack(entry.seq)
        spool.close()

        assert taken[-1].payload == b'{"after":1}'
        assert (spool.depth, spool.dropped) == (0, 0)


def test_readings_out_of_order_are_not_sent(folder: Path) -> None:
    path = segment(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines) + lines[2])

    spool = opened(folder)

    assert seqs(spool) == list(range(1, 11))
    assert len(spool.damage) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 8192, b"noise" * 2000])
def test_without_a_position_everything_is_sent_again_and_seq_goes_on(
    folder: Path, content: bytes
) -> None:
    spool = opened(folder)
    for seq in seqs(spool):
        spool.ack(seq)
    spool.close()
    (folder / "position").write_bytes(content)

    again = opened(folder)

    assert seqs(again) == list(range(1, 11))
    assert again.next_seq > 10
    assert "position cannot be read" in again.damage[0]


def test_a_torn_position_leaves_the_one_before(folder: Path) -> None:
    spool = opened(folder)
    for seq in seqs(spool)[:4]:
        spool.ack(seq)
    spool.settle()
    for seq in (5, 6):
        spool.ack(seq)
    spool.settle()
    spool.close()
    content = bytearray((folder / "position").read_bytes())
    slots = [bytes(content[start : start + 4096]) for start in (0, 4096)]
    newest = max((0, 1), key=lambda slot: int(slots[slot].split(b" ")[1]))
    content[newest * 4096 + 20] ^= 0xFF
    (folder / "position").write_bytes(content)

    again = opened(folder)

    assert again.damage == ()
    assert seqs(again)[-4:] == [7, 8, 9, 10]


def test_a_file_that_is_cut_while_in_use_costs_what_was_cut_and_is_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(folder)
    os.truncate(segment(folder), 5 * 21)

    kept = seqs(spool)

    assert kept == [1, 2, 3, 4, 5]
    assert (spool.depth, spool.dropped) == (5, 5)
    assert "has lost 5 readings while in use" in caplog.text


def test_a_file_that_is_removed_while_in_use_does_not_stop_the_agent(folder: Path) -> None:
    spool = opened(folder)
    spool.append(b"{}")
    segment(folder).unlink()
    seqs(spool)

    spool.append(b'{"after":1}')

    assert [entry.payload for entry in spool.take(10)] == [b'{"after":1}']
    assert (spool.depth, spool.dropped) == (1, 11)


def test_old_damage_does_not_pile_up(folder: Path) -> None:
    for _ in range(UNREADABLE_KEPT + 3):
        with segment(folder).open("ab") as file:
            file.write(b"noise")
        opened(folder).close()

    assert len(list(folder.glob("*.unreadable"))) == UNREADABLE_KEPT


def test_other_files_in_the_folder_are_left_alone(folder: Path) -> None:
    (folder / "notes.readings").write_text("mine")

    spool = opened(folder)

    assert (folder / "notes.readings").read_text() == "mine"
    assert spool.damage == ()


@pytest.mark.parametrize("fault", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_segment_that_cannot_be_read_is_not_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    first = segment(folder)
    spool = opened(folder)
    (folder / f"{11:020d}.readings").write_bytes(b"")  # what comes later goes here
    spool.close()

    def unreadable(path: Path) -> bytes:
        if path == first:
            raise OSError(fault, os.strerror(fault))
        return path.open("rb").read()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        with pytest.raises(StartError) as refused:
            opened(folder)

    assert str(refused.value) == (
        f"{first} cannot be read ({os.strerror(fault)}), and readings may wait in it:"
        " mend that, or move it away to go on without them."
    )
    assert seqs(opened(folder)) == list(range(1, 11))  # nothing is lost, and the lock is free


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(StartError, match=f"^{folder} cannot be read .Permission denied"):
        opened(folder)


def test_a_position_on_a_dying_disk_is_as_a_damaged_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int, length: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", fail)

    spool = opened(folder)

    assert seqs(spool) == list(range(1, 11))
    assert "position cannot be read" in spool.damage[0]


def test_what_is_damaged_is_counted_as_dropped_once(folder: Path) -> None:
    path = segment(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b'{"seq":5}')] ^= 1
    path.write_bytes(bytes(content[:-25]))  # and the last two are cut
    opened(folder).close()

    again = opened(folder)

    assert (again.depth, again.dropped) == (7, 3)


def test_damage_to_readings_that_the_broker_has_costs_nothing(folder: Path) -> None:
    spool = opened(folder)
    for seq in seqs(spool)[:5]:
        spool.ack(seq)
    spool.close()
    path = segment(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b'{"seq":2}')] ^= 1
    path.write_bytes(content)

    again = opened(folder)

    assert seqs(again) == [6, 7, 8, 9, 10]
    assert again.dropped == 0


def test_a_file_that_is_gone_at_the_start_is_counted(folder: Path) -> None:
    segment(folder).unlink()

    spool = opened(folder)

    assert (spool.depth, spool.dropped) == (0, 10)
    assert spool.next_seq == 11


@pytest.mark.parametrize("acked", [0, 3])
def test_a_kill_in_the_moment_of_dropping_counts_what_was_dropped_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acked: int
) -> None:
    class Killed(BaseException):
        pass

    def last_deed(path: Path, missing_ok: bool = False) -> None:
        os.unlink(path)
        raise Killed

    spool = opened(tmp_path)
    while spool.size_bytes < 63 * 1024:
        spool.append(b"x" * 1000)
    for entry in spool.take(acked):
        spool.ack(entry.seq)  # not saved by a settle
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", last_deed)
        with pytest.raises(Killed):
            fill_up(spool)
    appended = spool.next_seq - 1  # also the one that room was made for
    os.close(spool._lock)

    again = opened(tmp_path)

    assert acked + again.depth + again.dropped == appended
    assert again.dropped > 0


def fill_up(spool: Spool) -> None:
    while True:
        spool.append(b"x" * 1000)


def test_what_cannot_be_set_aside_leaves_nothing_half_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment(folder)
    os.truncate(path, path.stat().st_size - 5)
    before = sorted(file.name for file in folder.iterdir())

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        spool = opened(folder)

    assert sorted(file.name for file in folder.iterdir()) == before
    assert seqs(spool) == list(range(1, 10))
    assert (spool.depth, spool.dropped) == (9, 1)
