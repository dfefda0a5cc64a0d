"""The notifier as a process: its exit codes, its test messages, its silence about secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpulse.actions import __main__ as process
from fleetpulse.actions.__main__ import main, try_out
from fleetpulse.clock import ManualClock
from fleetpulse.delivery.messages import Telling
from fleetpulse.errors import NotifyError
from tests.unit.actions.builders import FakeChannel

ODD = "mail=mailtos://ada:hidden-word@mail.example.org?to=bob"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEETPULSE_DATA", str(tmp_path))


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeChannel]:
    """Those of the process: mail and hook."""
    found = {"mail": FakeChannel(), "hook": FakeChannel()}
    monkeypatch.setattr(process, "channels_of", lambda _settings, _clock: found)
    monkeypatch.setattr(process, "example_chart", lambda: b"a picture")
    return found


def test_without_channels_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "fleetpulse notify: There is no channel: set FLEETPULSE_NOTIFY to NAME=URL, as"
        " docs/notify.md shows.\n"
    )


@pytest.mark.parametrize("words", [[], ["--test"]], ids=["at work", "test"])
def test_wrong_channels_are_named_in_one_sentence_without_their_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("FLEETPULSE_NOTIFY", ODD)

    assert main(words) == 2

    said = capsys.readouterr().err
    assert "FLEETPULSE_NOTIFY: mail: " in said
    assert "hidden-word" not in said
    assert "example.org" not in said
    assert len(said.splitlines()) == 1


def test_a_store_that_cannot_be_used_is_one_sentence(
    channels: dict[str, FakeChannel],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FLEETPULSE_STORE", f"sqlite:///{tmp_path}")

    assert main([]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_test_goes_through_every_channel_a_line_for_each(
    channels: dict[str, FakeChannel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--test"]) == 0

    assert capsys.readouterr().out == "mail: sent\nhook: sent\n"
    (post,) = channels["mail"].sent
    assert post.text.startswith("This channel works. A warning looks like this:\n")
    assert post.telling is Telling.TEST
    assert post.photo is not None


def test_a_test_that_fails_is_told_and_the_exit_code(
    channels: dict[str, FakeChannel], capsys: pytest.CaptureFixture[str]
) -> None:
    channels["mail"].refusal = NotifyError("the mail server does not answer")

    assert main(["--test"]) == 1
    assert capsys.readouterr().out == "mail: the mail server does not answer\nhook: sent\n"


def test_a_test_may_name_its_channels(
    channels: dict[str, FakeChannel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--test", "hook"]) == 0
    assert capsys.readouterr().out == "hook: sent\n"
    assert channels["mail"].sent == []


def test_a_name_that_is_none_is_told_with_those_that_are(
    channels: dict[str, FakeChannel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--test", "hook", "attic"]) == 2
    assert "no channel called attic; FLEETPULSE_NOTIFY has mail, hook." in capsys.readouterr().err
    assert channels["hook"].sent == []


def test_the_example_has_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    channel = FakeChannel()

    assert try_out({"mail": channel}, ManualClock()) == 0

    assert channel.sent[0].photo is not None
    assert channel.sent[0].photo.startswith(b"\x89PNG")
