"""Recorded files: three layouts, any order, and one clear sentence for each that is broken."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse import wire
from fleetpulse.errors import StartError
from fleetpulse.telemetry import Reading
from generators import recordings
from generators.recordings import Recording

HEADER = "device_id,measured_at,temperature_c,load_pct\n"
SBC_HEADER = "board,session,t_s,clock_ghz,load_pct,temperature_c,voltage_v,power_w\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def a_file(folder: Path, content: str | bytes, name: str = "readings.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, **options: str) -> list[tuple[str, int, float | None]]:
    return [
        (reading.device_id, reading.measured_at, reading.temperature_c)
        for reading in Recording(path, **options).readings()
    ]


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(StartError) as caught:
        Recording(path, **options)
    return str(caught.value).replace(str(path), "FILE")


class TestWhatCanBeRead:
    def test_csv_with_device_and_unix_ms(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "pi-1,1000,50.5,10\npi-2,1500,,20\n")

        first, second = Recording(path, kind="pc").readings()

        assert first == Reading(
            device_id="pi-1", kind="pc", measured_at=1000, temperature_c=50.5, load_pct=10.0
        )
        assert second.temperature_c is None
        assert second.load_pct == 20.0

    def test_csv_that_knows_kind_and_seq(self, folder: Path) -> None:
        path = a_file(folder, "kind,seq,device_id,measured_at,load_pct\npc,7,desk,1000,5\n")

        (reading,) = Recording(path).readings()

        assert (reading.kind, reading.seq) == ("pc", 7)

    def test_csv_with_seconds_and_a_device_named_by_the_caller(self, folder: Path) -> None:
        path = a_file(folder, "t_s,temperature_c\n0,50\n2.5,51\n")

        recording = Recording(path, device_id="pi-1")

        assert rows(path, device_id="pi-1") == [("pi-1", 0, 50.0), ("pi-1", 2500, 51.0)]
        assert not recording.dated

    def test_boards_with_sessions(self, folder: Path) -> None:
        path = a_file(
            folder,
            SBC_HEADER
            + 'Pi 4,1a,0,1.8,5,40,0.9,\nPi 4,2b,0,1.8,5,41,,\n"Odd, Inc. C4",3c,1,,,42,,\n',
        )

        assert rows(path) == [
            ("Pi-4-1a", 0, 40.0),
            ("Pi-4-2b", 0, 41.0),
            ("Odd-Inc.-C4-3c", 1000, 42.0),
        ]

    def test_json_lines_as_on_the_wire(self, folder: Path) -> None:
        readings = [
            Reading(device_id="pi-1", kind="raspberry", measured_at=at, seq=at, load_pct=50.0)
            for at in (1000, 2000)
        ]
        path = a_file(folder, b"\n".join(wire.encode(reading) for reading in readings))

        assert list(Recording(path).readings()) == readings

    def test_a_mark_before_the_text_blank_lines_and_windows_line_ends(self, folder: Path) -> None:
        text = "\ufeff" + HEADER + "pi-1,1000,50,1\n\npi-1,2000,51,2\n\n"
        path = a_file(folder, text.replace("\n", "\r\n"))

        assert rows(path) == [("pi-1", 1000, 50.0), ("pi-1", 2000, 51.0)]

    def test_columns_that_are_no_channels_are_left_alone(self, folder: Path) -> None:
        path = a_file(folder, "room,device_id,measured_at,load_pct\nattic,pi-1,1000,5\n")

        assert rows(path) == [("pi-1", 1000, None)]


class TestTheOrder:
    def test_a_file_of_one_device_after_the_other_is_merged_by_time(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "a,1000,1,\na,3000,3,\nb,2000,2,\nb,4000,4,\n")

        assert [at for _, at, _ in rows(path)] == [1000, 2000, 3000, 4000]

    def test_a_file_in_any_order_is_sorted(self, folder: Path) -> None:
        lines = [f"pi-{number % 3},{number * 1000},{number % 90},\n" for number in range(300)]
        random.Random(1).shuffle(lines)

        times = [at for _, at, _ in rows(a_file(folder, HEADER + "".join(lines)))]

        assert times == sorted(times)
        assert len(times) == 300

    def test_too_much_disorder_is_refused_by_line(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recordings, "MAX_RUNS", 2)
        path = a_file(folder, HEADER + "a,3000,1,\na,2000,1,\na,1000,1,\n")

        assert refusal(path) == (
            "FILE, line 4: time has gone backwards 2 times;"
            " sort the rows by time, or by device and time."
        )

    def test_a_row_of_the_same_device_and_time_is_left_out_and_counted(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "a,1000,1,\nb,1000,2,\na,1000,3,\na,2000,4,\n")
        recording = Recording(path)

        kept = [reading.temperature_c for reading in recording.readings()]

        assert kept == [1.0, 2.0, 4.0]
        assert str(recording.faults) == (
            "1 repeated row (first: line 4, a has a row of the same time already)"
        )

    def test_memory_does_not_grow_with_the_file(self, folder: Path) -> None:
        def peak_bytes(count: int) -> int:
            in_order = "".join(f"pi-{n % 5},{n * 100},50,10\n" for n in range(count))
            path = a_file(folder, HEADER + in_order, f"{count}.csv")
            tracemalloc.start()
            taken = sum(1 for _ in Recording(path).readings())
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert taken == count
            return peak

        assert peak_bytes(8_000) < peak_bytes(1_000) + 50_000


class TestWhatIsLeftOut:
    def test_a_cell_that_cannot_be_real_is_counted_and_the_rest_of_its_row_kept(
        self, folder: Path
    ) -> None:
        path = a_file(folder, HEADER + "a,1000,hot,5\na,2000,nan,6\na,3000,900,7\na,4000,50,8\n")
        recording = Recording(path)

        readings = list(recording.readings())

        assert [reading.temperature_c for reading in readings] == [None, None, None, 50.0]
        assert [reading.load_pct for reading in readings] == [5.0, 6.0, 7.0, 8.0]
        assert str(recording.faults) == (
            "3 impossible values (first: line 2, column temperature_c: 'hot'"
            " is not within -60 to 150 °C)"
        )

    def test_a_single_unreadable_row_is_counted_and_skipped(self, folder: Path) -> None:
        good = "".join(f"a,{n * 1000},50,10\n" for n in range(20))
        for bad, fault in (
            ("a,yesterday,50,10\n", "column measured_at: 'yesterday' is not Unix milliseconds"),
            ("a,1000.5,50,10\n", "column measured_at: '1000.5' is not Unix milliseconds"),
            ("a,-1,50,10\n", "column measured_at: '-1' is not Unix milliseconds"),
            (",1000,50,10\n", "column device_id: it is empty"),
            ("a,1000,5", "3 columns instead of 4"),
            ('a,1000,"50,10\n', "it is not CSV: unexpected end of data"),
        ):
            recording = Recording(a_file(folder, HEADER + good + bad))

            assert len(list(recording.readings())) == recording.rows == 20
            assert str(recording.faults) == f"1 unreadable row (first: line 22, {fault})"

    def test_a_row_that_is_not_utf_8_is_counted_and_skipped(self, folder: Path) -> None:
        good = "".join(f"a,{n * 1000},50,10\n" for n in range(20)).encode()
        path = a_file(folder, HEADER.encode() + b"K\xfcche,1000,50,10\n" + good)

        recording = Recording(path)

        assert recording.rows == 20
        assert "line 2, it is not UTF-8 text" in str(recording.faults)

    def test_a_broken_line_of_json_is_counted_and_skipped(self, folder: Path) -> None:
        good = '{"device_id":"a","kind":"pc","measured_at":%d,"load_pct":%s}\n'
        lines = [good % (n * 1000, 10) for n in range(20)] + [good % (20_000, 101), '{"device_id"']
        recording = Recording(a_file(folder, "".join(lines)))

        assert len(list(recording.readings())) == 21
        assert "1 unreadable row (first: line 22, " in str(recording.faults)
        assert "1 impossible value (first: line 21, column load_pct: '101'" in str(recording.faults)


class TestWhatIsRefused:
    def test_no_such_file(self, folder: Path) -> None:
        assert refusal(folder / "none.csv") == "There is no file FILE."

    def test_a_folder(self, folder: Path) -> None:
        assert refusal(folder) == "FILE is not a file."

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_file(self, folder: Path, content: str) -> None:
        assert refusal(a_file(folder, content)) == "FILE is empty."

    def test_a_header_alone(self, folder: Path) -> None:
        assert refusal(a_file(folder, HEADER)) == "FILE has a header and no readings."

    def test_a_file_that_is_not_text(self, folder: Path) -> None:
        assert refusal(a_file(folder, b"\x89PNG\r\n\xff\xff")) == (
            "FILE, line 1: it is not UTF-8 text."
        )

    def test_all_missing_columns_are_named_at_once(self, folder: Path) -> None:
        assert refusal(a_file(folder, "name,when,heat\na,1,2\n")) == (
            "FILE, line 1: there is no column device_id (or give --device-id)"
            " and no column measured_at (Unix ms) or t_s (seconds)"
            " and no channel (temperature_c, …); there are the columns name, when, heat."
        )

    def test_a_column_that_is_there_twice(self, folder: Path) -> None:
        path = a_file(folder, "device_id,measured_at,load_pct,load_pct\na,1,2,3\n")

        assert refusal(path) == "FILE, line 1: two columns have the same name."

    def test_wrong_types_all_over(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "a,2026-11-22,50,1\na,2026-11-23,50,1\n")

        assert refusal(path) == (
            "FILE, line 2, column measured_at: '2026-11-22' is not Unix milliseconds;"
            " 2 of 2 rows are unreadable."
        )

    def test_a_line_without_an_end(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "x" * 2_000_000)

        assert refusal(path) == "FILE, line 2: it is longer than any reading."

    def test_a_name_for_a_file_of_several_devices(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "a,1000,1,\nb,1000,2,\n")

        assert refusal(path, device_id="c") == (
            "FILE holds 2 devices; --device-id can name only one."
        )


class TestNames:
    def test_a_file_of_one_device_can_be_given_another_name(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "a,1000,1,\n")

        assert rows(path, device_id="attic") == [("attic", 1000, 1.0)]

    def test_devices_that_would_get_the_same_name_stay_apart(self, folder: Path) -> None:
        path = a_file(folder, HEADER + "my pi,1000,1,\nmy/pi,1000,2,\nmy-pi,1000,3,\n")

        assert [device for device, _, _ in rows(path)] == ["my-pi", "my-pi-2", "my-pi-3"]

    def test_a_long_name_keeps_its_session(self, folder: Path) -> None:
        path = a_file(folder, SBC_HEADER + f"{'Board' * 30},1a2b,0,,5,,,\n")

        ((device, _, _),) = rows(path)

        assert len(device) == 64
        assert device.endswith("-1a2b")

    @given(st.lists(st.text(min_size=1, max_size=90), min_size=1, unique=True))
    def test_every_name_is_allowed_on_the_wire_and_unique(self, devices: list[str]) -> None:
        taken: set[str] = set()
        for device in devices:
            name = recordings._identifier(device, taken)
            assert wire.is_identifier(name)
            assert name not in taken
            taken.add(name)


def test_the_span_and_the_devices_are_known_before_reading(folder: Path) -> None:
    recording = Recording(a_file(folder, HEADER + "b,5000,1,\na,1000,1,\nb,9000,1,\n"))

    assert (recording.begins_at_ms, recording.ends_at_ms) == (1000, 9000)
    assert recording.devices == ("b", "a")
    assert recording.rows == 3
