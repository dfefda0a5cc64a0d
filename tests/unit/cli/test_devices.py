"""`fleetpulse devices add`: one line that installs an agent with a key of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetpulse import __version__
from fleetpulse.cli.devices import main
from fleetpulse.cli.keys import minute_of
from fleetpulse.clock import SystemClock
from fleetpulse.errors import InvalidWish
from fleetpulse.joining import api_address, device_key
from fleetpulse.keys import Purpose, find
from fleetpulse.stores import open_store
from fleetpulse.stores.protocols import Scope
from generators.service import _parser as install_parser

API = "https://fleet.example.org"


@pytest.fixture(autouse=True)
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the store."""
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    monkeypatch.setenv("FLEETPULSE_STORE", url)
    return url


def test_the_key_in_the_line_sends_readings_of_this_device_and_no_more(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", "pi-attic", "--address", API]) == 0

    (text,) = re.findall(r"echo (fp_\S+) \|", capsys.readouterr().out)
    store = open_store(url)
    key = find(store.keys, text, Purpose.KEY, now_ms=SystemClock().now_ms())
    store.close()
    assert key is not None
    assert (key.name, key.scopes, key.device_id) == ("pi-attic", ["ingest"], "pi-attic")


def test_a_key_that_works_still_is_told_and_an_ended_one_is_not(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "pi-attic", "--address", API])
    main(["add", "pi-cellar", "--address", API])
    store = open_store(url)
    (key,) = [key for key in store.keys.all() if key.device_id == "pi-attic"]
    first, made = key.key_id, minute_of(key.created_at)
    capsys.readouterr()

    main(["add", "pi-attic", "--address", API])
    told = capsys.readouterr().err
    store.keys.revoke(first, at=1)
    main(["add", "pi-attic", "--address", API])
    later = capsys.readouterr().err
    store.close()

    assert told.count("has another key still") == 1
    assert (
        f"pi-attic has another key still, of {made}: `fleetpulse keys revoke {first}` ends it.\n"
        in told
    )
    assert first not in later
    assert later.count("has another key still") == 1


@pytest.mark.parametrize(
    "other",
    [
        {"expires_at": 2},
        {"scopes": [Scope.READ]},
        {"device_id": "pi-cellar"},
        {"key_id": "l1234567"},
    ],
    ids=["expired", "reads only", "of another device", "a login link"],
)
def test_what_sends_no_readings_of_it_is_no_other_key(
    url: str, capsys: pytest.CaptureFixture[str], other: dict[str, Any]
) -> None:
    like, _ = device_key("pi-attic", now_ms=1)
    store = open_store(url)
    store.keys.put(msgspec.structs.replace(like, **other))
    store.close()

    main(["add", "pi-attic", "--address", API])

    assert "another key" not in capsys.readouterr().err


def test_the_line_is_one_that_install_understands(capsys: pytest.CaptureFixture[str]) -> None:
    main(["add", "pc-7", "--kind", "pc", "--address", API + "/"])

    line = capsys.readouterr().out
    words = shlex.split(line.partition("fleetpulse agent ")[2])
    options = install_parser().parse_args(words)
    assert line.count("\n") == 1
    assert (options.kind, options.api, options.device_id) == ("pc", API, "pc-7")
    assert options.key_file == "-"


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ((), f"fleetpulse[agent]=={__version__}"),
        (("--wheel", " ./my wheel.whl "), "./my wheel.whl[agent]"),
        (("--wheel", "~/my wheel.whl"), "HOME/my wheel.whl[agent]"),
        (
            ("--wheel", "https://lab.example.org/fleetpulse-0.1.0-py3-none-any.whl"),
            "fleetpulse[agent] @ https://lab.example.org/fleetpulse-0.1.0-py3-none-any.whl",
        ),
    ],
)
def test_pip_is_asked_for_one_requirement(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], package: str
) -> None:
    main(["add", "pi-attic", "--address", API, *words])

    line, said = capsys.readouterr()
    (pip,) = re.findall("bin/pip (install .+?) && echo", line)
    shell = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {pip}"],
        env={"HOME": "HOME"},
        capture_output=True,
        text=True,
        check=True,
    )
    # A wheel may be of the version that is there and have other code.
    options = ["--force-reinstall"] if words else []
    assert shell.stdout.splitlines() == ["install", *options, package]
    assert ("from PyPI" in said) is (not words)


@pytest.mark.parametrize(("kind", "sees"), [("raspberry", True), ("pc", False)])
def test_a_pi_uses_the_pins_library_of_its_system(
    capsys: pytest.CaptureFixture[str], kind: str, sees: bool
) -> None:
    main(["add", "attic", "--kind", kind, "--address", API])

    assert ("venv --system-site-packages /opt" in capsys.readouterr().out) is sees


def test_the_address_is_that_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEETPULSE_HOST", "10.0.0.5")

    main(["add", "pi-attic"])

    assert "--api http://10.0.0.5:8000 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "pi-attic"], "--address: Say by which address other machines find the API"),
        (["add", "pi attic", "--address", API], "A device's name must be"),
        (["add", "fleetpulse", "--address", API], "choose another name"),
        (["add", "$(reboot)", "--address", API], "A device's name must be"),
        (["add", "pi-attic", "--address", API, "--wheel", " "], "A wheel is one file"),
        (["add", "pi-attic", "--address", API, "--wheel", "a\nb.whl"], "A wheel is one file"),
        (["add", "pi-attic", "--address", API, "--wheel", "dist/*.whl"], "A wheel is one file"),
        (["add", "pi-attic", "--address", API, "--wheel", "a.whl[agent]"], "A wheel is one file"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said_and_no_key_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 2

    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "fleet.lan",
        "http://localhost:8000",
        "https://u:pw@fleet.lan",
        "http://[::",
        "http://h:x",
        "http://h/\n",
        "http://h/add",
        "http://h/?x=1",
        "http://h#x",
        "http://my host:8001",
        " http://h",
        "http://h:0",
        "http://0.0.0.0:8001",
        "http://[::]:8001",
        "http://localhost.:8001",
    ],
)
def test_an_address_that_another_machine_cannot_use_is_refused(address: str) -> None:
    with pytest.raises(InvalidWish):
        api_address(address)


def test_an_address_cannot_add_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["add", "pi-attic", "--address", "https://fleet.lan;reboot"])

    assert "--api 'https://fleet.lan;reboot' " in capsys.readouterr().out
