"""`fleetpulse agent install | uninstall | status`: files below a root, and what systemd is told."""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path

import pytest

from generators import service, service_place
from generators.__main__ import main
from generators.service_unit import SETTINGS_FILE, UNIT_FILE, WANTED_FILE
from generators.supervisor import status_of
from generators.upload import Answer, Poster, told

KEY = "fp_k123_very-secret"
API = ("--api", "https://fleet.example.org")
PYTHON = Path("/opt/fleetpulse/bin/python")
PROGRAM = Path("/opt/fleetpulse/lib/generators/service_place.py")
GROUPS = "root:x:0:\nvideo:x:44:pi\nplugdev:x:46:pi\n"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return str(file)


@pytest.fixture(autouse=True)
def _installed_in_opt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine, wherever the tests are: in a home, a service would not see them."""
    monkeypatch.setattr("sys.executable", str(PYTHON))
    monkeypatch.setattr(service_place, "PROGRAM", PROGRAM)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return a_system(tmp_path / "root")


def a_system(root: Path) -> Path:
    """A root with a fleetpulse and some groups in it."""
    for file, text in ((PYTHON, ""), (PROGRAM, ""), (Path("/etc/group"), GROUPS)):
        below(root, file).parent.mkdir(parents=True, exist_ok=True)
        below(root, file).write_text(text)
    return root


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def written(root: Path) -> list[Path]:
    """The files that there are beside those of the system itself."""
    own = [below(root, file) for file in (PYTHON, PROGRAM, Path("/etc/group"))]
    return [path for path in root.rglob("*") if not path.is_dir() and path not in own]


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


def test_the_unit_is_readable_by_everybody_whatever_root_lets_others_read(root: Path) -> None:
    before = os.umask(0o077)
    try:
        installed(root, "--kafka", "broker:9092")
    finally:
        os.umask(before)

    assert stat.S_IMODE((root / UNIT_FILE).stat().st_mode) == 0o644


@pytest.mark.parametrize("is_link", [True, False])
def test_nothing_is_written_into_what_somebody_put_there_meanwhile(
    root: Path, key_file: str, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    partial, target = root / f"{SETTINGS_FILE}.partial", root / "target"
    target.write_text("")

    def put_there(path: Path, missing_ok: bool = False) -> None:
        if path == partial:
            partial.symlink_to(target) if is_link else partial.write_text("")

    monkeypatch.setattr(Path, "unlink", put_there)

    assert installed(root, *API, "--key-file", key_file) == 1

    assert target.read_text() == partial.read_text() == ""
    assert not (root / SETTINGS_FILE).exists()


def test_a_pi_gets_the_groups_of_its_own_system(root: Path) -> None:
    installed(root, "--kafka", "broker:9092", kind="raspberry")

    assert "SupplementaryGroups=video\n" in (root / UNIT_FILE).read_text()


def test_installing_again_changes_what_is_said_and_keeps_the_rest(
    root: Path, key_file: str
) -> None:
    installed(root, *API, "--key-file", key_file)
    with (root / SETTINGS_FILE).open("a") as file:
        file.write("FLEETPULSE_SPOOL_BYTES=1000000\n")

    assert installed(root, "--interval", "10") == 0

    assert (root / SETTINGS_FILE).read_text().splitlines()[1:] == [
        f'FLEETPULSE_API="{API[1]}"',
        f'FLEETPULSE_INGEST_KEY="{KEY}"',
        'FLEETPULSE_INTERVAL="10"',
        'FLEETPULSE_SPOOL_BYTES="1000000"',
    ]


def test_a_program_that_the_service_cannot_see_is_not_installed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "/home/me/.venv/bin/python")

    assert installed(root, "--kafka", "broker:9092") == 1

    assert "/home/me/.venv/bin/python is hidden from services" in capsys.readouterr().err
    assert written(root) == []


def test_a_ca_that_the_service_cannot_see_is_not_installed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEETPULSE_KAFKA_CA", "/home/me/ca.pem")

    assert installed(root, "--kafka", "broker:9092") == 2

    assert "/home/me/ca.pem is hidden from services" in capsys.readouterr().err
    assert written(root) == []


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
    assert written(root) == []


def test_an_api_that_is_no_address_is_refused(
    root: Path, key_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed(root, "--api", "fleet.example.org", "--key-file", key_file) == 2

    assert "FLEETPULSE_API must be an address" in capsys.readouterr().err
    assert written(root) == []


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


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[tuple[str, str, bytes]]:
    """An API that answers so; what it was asked: address, key and body."""
    asked: list[tuple[str, str, bytes]] = []

    class OneAnswer(Poster):
        def __init__(self, api: str, key: str, timeout_s: float) -> None:
            super().__init__(api, key, timeout_s)
            self._said = (api, key)

        def __call__(self, body: bytes) -> Answer:
            asked.append((*self._said, body))
            return answer

    monkeypatch.setattr(service, "Poster", OneAnswer)
    return asked


def test_for_an_image_no_api_is_asked(
    root: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, Answer(status=401))

    assert installed(root, *API, "--key-file", key_file) == 0

    assert asked == []


class TestOnThisSystem:
    """With a root that stands for this system's, and a systemctl that writes down its words."""

    @pytest.fixture(autouse=True)
    def system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        root, programs = a_system(tmp_path / "system"), tmp_path / "bin"
        programs.mkdir()
        systemctl = programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n. {tmp_path}/answer\n')
        systemctl.chmod(0o755)
        (tmp_path / "answer").write_text("")
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        monkeypatch.setattr(service, "SYSTEM", root)
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

    def test_modules_that_the_service_cannot_see_are_not_installed(
        self, system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(service_place, "PROGRAM", Path("/home/me/clone/service_place.py"))

        assert main(["install", "pc", "--kafka", "broker:9092"]) == 1

        assert "/home/me/clone/service_place.py is hidden" in capsys.readouterr().err
        assert written(system) == []

    def test_what_is_printed_is_found_by_sudo(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["install", "pc", "--kafka", "broker:9092"])

        assert capsys.readouterr().out.splitlines() == [
            "The agent runs; `sudo /opt/fleetpulse/bin/fleetpulse agent status` tells how it is.",
            "Its settings are in /etc/fleetpulse/agent.env.",
        ]

    @pytest.mark.parametrize("status", [302, 401, 403, 404])
    def test_a_key_that_the_api_refuses_is_not_installed(
        self,
        tmp_path: Path,
        system: Path,
        key_file: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        status: int,
    ) -> None:
        asked = answering(monkeypatch, Answer(status=status))

        words = ["install", "pc", *API, "--key-file", key_file, "--device-id", "pi-7"]
        assert main(words) == 1

        assert asked == [(API[1], KEY, b'{"device_id":"pi-7","readings":[]}')]
        assert told(Answer(status=status)) in capsys.readouterr().err
        assert written(system) == []
        assert self.asked(tmp_path) == []

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Answer(status=202, accepted=0), "The API takes the key."),
            (Answer(reason="no route"), "The API does not answer (no route). Readings wait"),
            (Answer(status=503), "The API asks to wait (503). Readings wait"),
            (Answer(status=429), "The API asks for fewer requests (429). Readings wait"),
        ],
        ids=repr,
    )
    def test_an_api_that_may_be_away_is_no_reason_not_to_install(
        self,
        tmp_path: Path,
        key_file: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        answer: Answer,
        said: str,
    ) -> None:
        answering(monkeypatch, answer)

        assert main(["install", "pc", *API, "--key-file", key_file]) == 0

        assert capsys.readouterr().out.startswith(said)
        assert self.asked(tmp_path)[-1] == "restart fleetpulse-agent"

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

        said = capsys.readouterr().err
        assert re.fullmatch(r"fleetpulse agent: .* with sudo, .*\.\n", said)
        assert f"`sudo /opt/fleetpulse/bin/fleetpulse agent {words[0]} …`" in said
        assert self.asked(tmp_path) == []

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
