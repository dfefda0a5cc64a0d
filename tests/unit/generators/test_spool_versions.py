"""Readings that an older agent left in its spool are delivered by this one, each once.

The lines are what that version's own code wrote for five readings of which the broker had two.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fleetpulse.clock import ManualClock
from generators import spool as spool_module
from generators.spool import SEQ_LEAP, Spool

SLOT_BYTES = 4096
SEGMENT = b"""\
8ebe8e23 1 {"seq":1}
3c71bbe1 2 {"seq":2}
e4e45560 3 {"seq":3}
829ed624 4 {"seq":4}
5a0b38a5 5 {"seq":5}
"""
# The first version did not count what waits.
FIRST_KILLED = (
    b'48680922 2 {"acked_seq":2,"next_seq":6,"dropped":0,"boot":"boot-1","closed":false}\n',
    b'c2c32131 1 {"acked_seq":0,"next_seq":1,"dropped":0,"boot":"boot-1","closed":false}\n',
)
FIRST_CLOSED = (
    FIRST_KILLED[0],
    b'3fd1c385 3 {"acked_seq":2,"next_seq":6,"dropped":0,"boot":"boot-1","closed":true}\n\n',
)
SECOND_KILLED = (
    b'5baa6a60 6 {"acked_seq":0,"next_seq":6,"waiting":5,"dropped":0,"boot":"boot-1",'
    b'"closed":false}\n',
    b'9d713b1d 7 {"acked_seq":2,"next_seq":6,"waiting":3,"dropped":0,"boot":"boot-1",'
    b'"closed":false}\n',
)
SECOND_CLOSED = (
    b'085c23a4 8 {"acked_seq":2,"next_seq":6,"waiting":3,"dropped":0,"boot":"boot-1",'
    b'"closed":true}\n',
    SECOND_KILLED[1],
)


@pytest.mark.parametrize(
    ("slots", "boot", "leap"),
    [
        (FIRST_CLOSED, "boot-1", 0),
        (FIRST_CLOSED, "boot-2", 0),
        (FIRST_KILLED, "boot-1", 0),
        (FIRST_KILLED, "boot-2", SEQ_LEAP),  # a power cut: seqs may have been used since
        (SECOND_CLOSED, "boot-2", 0),
        (SECOND_KILLED, "boot-1", 0),
        (SECOND_KILLED, "boot-2", SEQ_LEAP),
    ],
)
def test_a_spool_of_every_version_so_far_goes_on_where_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slots: tuple[bytes, bytes],
    boot: str,
    leap: int,
) -> None:
    monkeypatch.setattr(spool_module, "boot_id", lambda: boot)
    (tmp_path / "00000000000000000001.readings").write_bytes(SEGMENT)
    (tmp_path / "position").write_bytes(b"".join(slot.ljust(SLOT_BYTES, b"\0") for slot in slots))
    (tmp_path / "lock").touch()

    with closing(Spool(tmp_path, 64 * 1024, ManualClock())) as spool:
        assert (spool.depth, spool.dropped, spool.damage) == (3, 0, ())
        assert spool.next_seq == 6 + leap
        assert [entry.seq for entry in spool.take(10)] == [3, 4, 5]
        spool.append(b"{}")
        assert [entry.seq for entry in spool.take(10)] == [6 + leap]
