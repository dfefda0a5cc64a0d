"""Addresses of e-mail: Apprise's form, TLS unless it is given up on purpose."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from fleetpulse.actions.mail_address import mail_address
from fleetpulse.errors import SettingsError


@pytest.mark.parametrize("scheme", ["mailto", "mailtos"])
def test_tls_by_starttls_is_the_rule(scheme: str) -> None:
    address = mail_address(f"{scheme}://ada:s3cret@mail.example.org")

    assert (address.security, address.port, address.host) == (
        "starttls",
        587,
        "mail.example.org",
    )


def test_tls_from_the_first_byte_is_asked_for_by_mode() -> None:
    address = mail_address("mailtos://ada:s3cret@mail.example.org?mode=ssl")

    assert (address.security, address.port) == ("ssl", 465)


def test_a_relay_on_this_machine_may_do_without() -> None:
    address = mail_address("mailto://127.0.0.1:25?from=a@x.org&to=b@x.org&mode=insecure")

    assert (address.security, address.password) == ("insecure", "")


def test_known_providers_need_no_server() -> None:
    address = mail_address("mailto://ada:app-password@gmail.com")

    assert (address.host, address.port, address.security) == ("smtp.gmail.com", 587, "starttls")
    assert (address.user, address.sender, address.to) == (
        "ada@gmail.com",
        "ada@gmail.com",
        ["ada@gmail.com"],
    )


def test_sender_and_readers_may_have_names() -> None:
    address = mail_address(
        "mailtos://u:p@mail.example.org?from=Attic <a@x.org>&to=b@x.org,c@x.org".replace(" ", "%20")
    )

    assert address.sender_header == "Attic <a@x.org>"
    assert address.sender == "a@x.org"
    assert address.to == ["b@x.org", "c@x.org"]


def test_a_name_may_hold_a_comma_and_a_blank() -> None:
    listed = '"Lovelace, Ada" <a@x.org>;Bob B <b@x.org>, c@x.org'

    address = mail_address(f"mailtos://u:p@mail.example.org?to={quote(listed)}")

    assert address.everybody == ["a@x.org", "b@x.org", "c@x.org"]


def test_the_password_is_not_in_what_is_shown() -> None:
    address = mail_address("mailtos://ada:s3cret@mail.example.org")

    assert address.password == "s3cret"
    assert "s3cret" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://",
        "mailtos://mail.example.org",
        "mailtos://ada:s3cret@mail.example.org?to=bob",
        "mailtos://ada:s3cret@mail.example.org?to=bob@x.org,eve",
        "mailtos://ada:s3cret@mail.example.org?cc=eve",
        "mailtos://ada:s3cret@mail.example.org?mode=plain",
        "mailto://ada:s3cret@mail.example.org?mode=insecure",
        "mailtos://ada:s3cret@mail.example.org?pgp=encrypt",
    ],
)
def test_what_cannot_work_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        mail_address(url)

    assert "mail.example.org" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
