"""The setting FLEETPULSE_NOTIFY: names and URLs, and what of them is secret."""

from __future__ import annotations

import pytest

from fleetpulse.actions.channels import channels_of, secrets_within
from fleetpulse.actions.mail import Mail
from fleetpulse.actions.service import Service
from fleetpulse.actions.webhook import Webhook
from fleetpulse.clock import ManualClock
from fleetpulse.errors import SettingsError
from fleetpulse.secrets import Secret
from fleetpulse.settings import NotifySettings
from tests.unit.actions.builders import SECRET

MAIL = "mailtos://ada:hidden-word@mail.example.org"
HOOK = f"webhook+https://hooks.example/token-1234?secret={SECRET}"
CHAT = "ntfy://hidden-topic"


def settings(words: str, private: str = "") -> NotifySettings:
    """Those of a process with these channels."""
    return NotifySettings(channels=Secret(words), private_networks=private)


def fault_of(words: str, private: str = "") -> str:
    """What is said of channels that are wrong."""
    with pytest.raises(SettingsError) as refused:
        channels_of(settings(words, private), ManualClock())
    return str(refused.value)


def test_each_name_is_a_channel_of_the_kind_that_its_url_says() -> None:
    found = channels_of(settings(f"mail={MAIL} hook={HOOK}\n\tpush-2={CHAT}"), ManualClock())

    assert {name: type(channel) for name, channel in found.items()} == {
        "mail": Mail,
        "hook": Webhook,
        "push-2": Service,
    }


def test_without_the_setting_there_is_none() -> None:
    assert channels_of(NotifySettings(), ManualClock()) == {}


def test_all_that_is_wrong_is_named_at_once_in_one_sentence() -> None:
    said = fault_of(
        f"mail=mailtos:// hook=webhook+https://hooks.example/x push={CHAT} a=nosuch://x"
    )

    assert said.startswith("Wrong settings: FLEETPULSE_NOTIFY: mail: ")
    assert "; hook: " in said
    assert "; a: " in said
    assert "push" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "word",
    [HOOK, "=" + HOOK, "Mail=" + HOOK, "1a=" + HOOK, f"{'a' * 33}={HOOK}", "mail", "mail=", "ä=x"],
)
def test_a_word_without_a_proper_name_is_counted_and_never_shown(word: str) -> None:
    said = fault_of(f"push={CHAT} {word}")

    assert "word 2 is not NAME=URL" in said
    assert "hooks.example" not in said
    assert SECRET not in said


def test_a_name_stands_for_one_channel() -> None:
    assert "two channels called push" in fault_of(f"push={CHAT} push={CHAT}")


def test_an_address_that_cannot_be_read_at_all_is_one_more_fault() -> None:
    assert "hook: its URL cannot be read" in fault_of("hook=webhook+https://[hidden")


def test_private_networks_are_checked_too() -> None:
    assert "FLEETPULSE_NOTIFY_PRIVATE" in fault_of(f"push={CHAT}", private="attic")


def test_whatever_may_be_a_key_is_kept_out_of_the_log() -> None:
    hidden = secrets_within(settings(f"mail={MAIL} hook={HOOK} push={CHAT}"))

    assert {MAIL, HOOK, CHAT, "hidden-word", SECRET, "token-1234", "hidden-topic"} <= set(hidden)


def test_our_own_name_is_no_secret_even_as_a_topic() -> None:
    assert secrets_within(settings("push=ntfy://fleetpulse")) == ["ntfy://fleetpulse"]


def test_the_settings_show_none_of_it() -> None:
    shown = repr(settings(f"mail={MAIL}"))

    assert "hidden-word" not in shown
    assert "example.org" not in shown
