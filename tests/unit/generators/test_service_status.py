"""`fleetpulse agent status`: what the spool on the disk and systemd's answer tell."""

from __future__ import annotations

from pathlib import Path

from fleetpulse.clock import ManualClock
from fleetpulse.telemetry import a_reading_of
from fleetpulse.wire import encode
from generators.service_status import lines, state_in
from generators.service_unit import STATE_FOLDERS
from generators.spool import Spool


def test_status_tells_the_last_reading_and_what_waits(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path / STATE_FOLDERS[1] / "spool/attic", 64 * 1024, clock)
    for load_pct in (10.0, 20.0, 30.0):
        reading = a_reading_of("attic", "pc", clock.now_ms(), spool.next_seq, load_pct=load_pct)
        spool.append(encode(reading))
    spool.take(2)
    spool.ack(1)
    spool.settle()

    said = list(lines(None, tmp_path, now_s=lambda: clock.now_ms() / 1000 + 4))

    assert said[1:] == ["attic: read 4 s ago (load 30 %); 2 wait to be delivered, 0 were dropped"]
    spool.close()


def test_a_delivered_reading_is_still_the_last_one(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path / STATE_FOLDERS[1] / "spool/attic", 64 * 1024, clock)
    spool.append(encode(a_reading_of("attic", "pc", clock.now_ms(), 1, load_pct=10.0)))
    spool.take(1)
    spool.ack(1)
    spool.close()

    said = list(lines(None, tmp_path, now_s=lambda: clock.now_ms() / 1000))

    assert said[1:] == ["attic: read 0 s ago (load 10 %); 0 wait to be delivered, 0 were dropped"]


def test_a_damaged_spool_is_no_trouble_to_status(tmp_path: Path) -> None:
    folder = tmp_path / STATE_FOLDERS[1] / "spool/attic"
    folder.mkdir(parents=True)
    (folder / "00000000000000000001.readings").write_bytes(b"\0rubbish\n")
    (folder / "position").write_bytes(b"rubbish")

    said = list(lines(None, tmp_path))

    assert said[1:] == ["attic: no reading is on the disk; what waits is not known"]


def test_the_answer_of_systemctl_is_read() -> None:
    state = state_in("ActiveState=active\nSubState=running\nNRestarts=2\nStatusText=a=b\n")

    assert (state.runs, state.sub, state.restarts, state.status) == (True, "running", "2", "a=b")
