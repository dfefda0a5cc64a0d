"""`fleetpulse agent install | uninstall | status`: files below a root, and what systemd is told."""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path

import pytest

from generators import service
from generators.__main__ import main
from generators.service_unit import SETTINGS_FILE, STATE_FOLDERS, UNIT_FILE, WANTED_FILE
from generators.supervisor import status_of
from generators.upload import Answer, told

KEY = "fp_k123_very-secret"
API = ("--api", "https://fleet.example.org")


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return str(file)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def installed(root: Path, *words: str, kind: str = "pc") -> int:
    return main(["install", kind, "--root", str(root), *words])


def test_the_key_is_in_a_file_of_root_alone_and_nowhere_else(
    root: Path, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed(root, *API, "--key-file", key_file) == 0

    settings = root / SETTINGS_FILE
    holders = [path for path in root.rglob("*") if path.is_file() and KEY in path.read_text()]
    assert holders == [settings]
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert KEY not in "".join(capsys.readouterr())


def test_a_file_that_others_could_read_is_not_written_into(root: Path, key_file: str) -> None:
    settings = root / SETTINGS_FILE
    settings.parent.mkdir(parents=True)
    settings.write_text("")
    settings.chmod(0o644)

    installed(root, *API, "--key-file", key_file)

    assert stat.S_IMODE(settings.stat().st_mode) == 0o600


def test_options_are_the_agents_settings(root: Path) -> None:
    installed(root, "--kafka", "one:9092,two:9092", "--interval", "10", "--device-id", "attic")

    assert (root / SETTINGS_FILE).read_text().splitlines()[1:] == [
        'FLEETPULSE_DEVICE_ID="attic"',
        'FLEETPULSE_INTERVAL="10"',
        'KAFKA_BROKER_SETTINGS="one:9092,two:9092"',
    ]


def test_secrets_of_kafka_come_from_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_CLUSTER_KEY", "user")
    monkeypatch.setenv("KAFKA_CLUSTER_SECRET", 'pa$s"wo\\rd`')

    installed(root, "--kafka", "broker:9092")

    assert 'KAFKA_CLUSTER_SECRET="pa\\$s\\"wo\\\\rd\\`"' in (root / SETTINGS_FILE).read_text()


def test_an_agent_of_the_api_keeps_no_secret_of_kafka(
    root: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_CLUSTER_KEY", "user")
    monkeypatch.setenv("KAFKA_CLUSTER_SECRET", "password")

    installed(root, *API, "--key-file", key_file)

    assert "KAFKA" not in (root / SETTINGS_FILE).read_text()


def test_an_agent_of_kafka_keeps_no_key_of_the_api(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_API", API[1])
    monkeypatch.setenv("FLEETPULSE_INGEST_KEY", KEY)

    installed(root, "--kafka", "broker:9092")

    assert "FLEETPULSE_" not in (root / SETTINGS_FILE).read_text()


def test_a_key_can_come_from_standard_input(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))

    installed(root, *API, "--key-file", "-")

    assert f'FLEETPULSE_INGEST_KEY="{KEY}"' in (root / SETTINGS_FILE).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say where the readings go"),
        (API, "--api needs the device's own key"),
        ((*API, "--key-file", "/nowhere"), "--key-file /nowhere cannot be read"),
        (("--kafka", "b:9092", "--interval", "soon"), "FLEETPULSE_INTERVAL"),
        (("--kafka", "b:9092", "--device-id", "a/b"), "--device-id must be"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert installed(root, *words) == 2

    assert said in capsys.readouterr().err
    assert not root.exists()


def test_an_api_that_is_no_address_is_refused(
    root: Path, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed(root, "--api", "fleet.example.org", "--key-file", key_file) == 2

    assert "FLEETPULSE_API must be an address" in capsys.readouterr().err
    assert not root.exists()


def test_a_setting_of_several_lines_is_refused_without_showing_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_CLUSTER_KEY", "user")
    monkeypatch.setenv("KAFKA_CLUSTER_SECRET", "secret\nLD_PRELOAD=evil.so")

    assert installed(root, "--kafka", "broker:9092") == 2

    assert "KAFKA_CLUSTER_SECRET" in (said := capsys.readouterr().err)
    assert "evil" not in said


def test_the_agent_starts_with_the_other_system(root: Path) -> None:
    installed(root, "--kafka", "broker:9092")

    assert (root / WANTED_FILE).readlink() == Path("/", UNIT_FILE)


def test_uninstall_keeps_what_waits(root: Path) -> None:
    installed(root, "--kafka", "broker:9092")
    spool = root / STATE_FOLDERS[1] / "spool"
    spool.mkdir(parents=True)

    assert main(["uninstall", "--root", str(root)]) == 0

    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert spool.is_dir()


def test_uninstall_with_purge_leaves_nothing_of_ours(root: Path) -> None:
    installed(root, "--kafka", "broker:9092")
    private, link = root / STATE_FOLDERS[1], root / STATE_FOLDERS[0]
    private.mkdir(parents=True)
    link.symlink_to("private/fleetpulse-agent")

    assert main(["uninstall", "--root", str(root), "--purge"]) == 0

    assert not [path for path in root.rglob("*") if "fleetpulse" in path.name]


def test_uninstalling_what_is_not_there_changes_nothing(root: Path) -> None:
    assert main(["uninstall", "--root", str(root), "--purge"]) == 0


class TestOnThisSystem:
    """With a root that stands for this system's, and a systemctl that writes down its words."""

    @pytest.fixture(autouse=True)
    def system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        root, programs = tmp_path / "system", tmp_path / "bin"
        programs.mkdir()
        systemctl = programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n. {tmp_path}/answer\n')
        systemctl.chmod(0o755)
        (tmp_path / "answer").write_text("")
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        monkeypatch.setattr(service, "SYSTEM", root)
        monkeypatch.setattr(service, "HIDDEN", ())
        monkeypatch.setattr("os.geteuid", lambda: 0)
        return root

    def asked(self, tmp_path: Path) -> list[str]:
        file = tmp_path / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def test_install_enables_and_starts_the_agent(self, tmp_path: Path, system: Path) -> None:
        assert main(["install", "pc", "--kafka", "broker:9092"]) == 0

        assert (system / UNIT_FILE).exists()
        assert self.asked(tmp_path) == [
            "daemon-reload",
            "enable fleetpulse-agent",
            "restart fleetpulse-agent",
        ]

    def test_uninstall_stops_the_agent_first(self, tmp_path: Path, system: Path) -> None:
        main(["install", "pc", "--kafka", "broker:9092"])

        assert main(["uninstall"]) == 0

        assert not (system / UNIT_FILE).exists()
        assert self.asked(tmp_path)[-2:] == ["disable --now fleetpulse-agent", "daemon-reload"]

    def test_what_systemd_refuses_is_said(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "answer").write_text("echo no room >&2; exit 4\n")

        assert main(["install", "pc", "--kafka", "broker:9092"]) == 1

        assert "`systemctl daemon-reload` failed (no room)" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [["install", "pc", *API], ["uninstall"]], ids=repr)
    def test_who_is_not_root_is_told_so_in_one_sentence(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        words: list[str],
    ) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 1000)

        assert main(words) == 1

        assert re.fullmatch(r"fleetpulse agent: .* with sudo, .*\.\n", capsys.readouterr().err)
        assert self.asked(tmp_path) == []

    def test_a_program_that_the_service_cannot_see_is_not_installed(
        self, system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(service, "HIDDEN", (Path(service.__file__).parent,))

        assert main(["install", "pc", "--kafka", "broker:9092"]) == 1

        assert "The service may not see" in capsys.readouterr().err
        assert not system.exists()

    @pytest.mark.parametrize(("active", "code"), [("active", 0), ("failed", 1)])
    def test_status_is_0_while_the_agent_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], active: str, code: int
    ) -> None:
        main(["install", "pc", "--kafka", "broker:9092"])
        (tmp_path / "answer").write_text(f"echo ActiveState={active}\n")

        assert main(["status"]) == code

        assert active in capsys.readouterr().out

    def test_status_ends_with_3_and_says_what_to_do_when_the_readings_are_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["install", "pc", "--kafka", "broker:9092"])
        said = status_of(7, 0, told(Answer(status=401)))
        (tmp_path / "answer").write_text(f"echo ActiveState=active; echo 'StatusText={said}'\n")
        capsys.readouterr()

        assert main(["status"]) == 3

        first, second, third, *_ = capsys.readouterr().out.splitlines()
        assert first == "The agent runs (active, ): 7 readings wait, 0 were dropped"
        assert second == (
            "Its readings do not arrive: The API does not know this key (401);"
            " put a valid one into FLEETPULSE_INGEST_KEY."
        )
        assert f"/{SETTINGS_FILE}" in third
        assert "sudo systemctl restart fleetpulse-agent" in third

    def test_status_of_what_is_not_installed_says_so(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status"]) == 1

        assert "not installed" in capsys.readouterr().out
