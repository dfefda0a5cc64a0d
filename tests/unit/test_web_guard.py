"""What a page elsewhere makes a browser send is told from what comes from here."""

from __future__ import annotations

import pytest

from fleetpulse.web_guard import (
    is_address,
    is_every_address,
    is_loopback,
    is_own_host,
    is_own_origin,
    is_own_site,
)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_names_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.1"])  # noqa: S104
def test_other_names_may_mean_another(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]"])  # noqa: S104
def test_every_address_is_told_from_one(host: str) -> None:
    assert is_every_address(host)
    assert not is_address(host)
    assert is_address("192.168.1.5")
    assert not is_every_address("192.168.1.5")


@pytest.mark.parametrize("host", ["fleet.lan", "fleet.lan:8000", "FLEET.lan", "localhost:1"])
def test_an_allowed_name_is_answered_on_any_port(host: str) -> None:
    assert is_own_host(host, {"fleet.lan"})


@pytest.mark.parametrize(
    "host", ["", "a.fleet.lan", "fleet.lan.evil.example", "x@fleet.lan", "fleet.lan:x", "["]
)
def test_a_name_that_only_looks_like_it_is_not(host: str) -> None:
    assert not is_own_host(host, {"fleet.lan"})


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "fleet.lan"),
        ("http://fleet.lan:8000", "fleet.lan:8000"),
        ("http://fleet.lan", "fleet.lan:80"),
        ("https://fleet.lan", "fleet.lan"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_its_own_origin_is_known(origin: str | None, host: str) -> None:
    assert is_own_origin(origin, host)


@pytest.mark.parametrize(
    "origin", ["null", "", "file://", "http://evil.example", "http://fleet.lan", "ftp://fleet.lan"]
)
def test_another_origin_is_not(origin: str) -> None:
    assert not is_own_origin(origin, "fleet.lan:8000")


def test_a_browser_says_which_site_sent_it() -> None:
    assert [is_own_site(each) for each in (None, "none", "same-origin")] == [True] * 3
    assert [is_own_site(each) for each in ("same-site", "cross-site", "x")] == [False] * 3
