"""Only public addresses are connected to, in whatever form they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpulse.actions.public_network import (
    Address,
    PublicNetwork,
    carried,
    is_public,
    networks_of,
    resolved,
)
from fleetpulse.errors import NotifyError, SettingsError
from tests.unit.actions.builders import FakeReceiver, leading_to, network_to

PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::200e")
NOT_PUBLIC_V4 = (
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
NOT_PUBLIC_V6 = (
    "::",
    "::1",
    "::7f00:1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "64:ff9b:1::a00:1",
)
every_v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
every_address = st.one_of(every_v4, st.integers(0, 2**128 - 1).map(IPv6Address))


def forms_of(inner: IPv4Address) -> list[Address]:
    """The IPv6 addresses that stand for an IPv4 one."""
    number = int(inner)
    return [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6])
def test_what_is_inside_of_somebodys_network_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


@given(every_v4)
def test_an_ipv6_form_is_judged_as_the_ipv4_address_in_it(inner: IPv4Address) -> None:
    assert {is_public(form) for form in forms_of(inner)} == {is_public(inner)}


@given(every_address)
def test_nothing_is_public_that_python_calls_otherwise(address: Address) -> None:
    if is_public(address):
        inner = carried(address)
        assert inner.is_global
        assert not inner.is_multicast


@pytest.mark.parametrize("address", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6])
def test_no_connection_is_made_to_it(address: str) -> None:
    receiver = FakeReceiver()

    with pytest.raises(NotifyError, match="not public") as refused:
        network_to(receiver, address).connect_tcp("hooks.example", 443)

    assert receiver.reached == []
    assert address not in str(refused.value)


@given(every_v4.filter(lambda address: not is_public(address)))
def test_nor_to_an_ipv6_form_of_it(inner: IPv4Address) -> None:
    for form in forms_of(inner):
        receiver = FakeReceiver()

        with pytest.raises(NotifyError):
            network_to(receiver, str(form)).connect_tcp("hooks.example", 443)

        assert receiver.reached == []


def test_a_name_that_changes_its_address_is_asked_once_and_that_address_connected_to() -> None:
    receiver, answers = FakeReceiver(), [[ip_address("127.0.0.1")], [ip_address("8.8.8.8")]]
    network = PublicNetwork(resolve=lambda _host, _port: answers.pop(), network=receiver)

    network.connect_tcp("rebinding.example", 443)

    assert receiver.reached == ["8.8.8.8"]
    assert len(answers) == 1


def test_of_several_addresses_only_the_public_ones_are_tried_in_their_order() -> None:
    receiver = FakeReceiver()
    receiver.fails["8.8.8.8"] = httpcore.ConnectError("away")

    network_to(receiver, "10.0.0.1", "8.8.8.8", "::1", "8.8.4.4").connect_tcp("a.example", 443)

    assert receiver.reached == ["8.8.8.8", "8.8.4.4"]


def test_when_none_answers_it_says_so() -> None:
    receiver = FakeReceiver()
    receiver.fails["8.8.8.8"] = httpcore.ConnectTimeout("away")

    with pytest.raises(httpcore.ConnectTimeout):
        network_to(receiver, "8.8.8.8").connect_tcp("a.example", 443)


def test_a_name_that_nobody_knows_is_a_failed_connection() -> None:
    def unknown(_host: str, _port: int) -> list[Address]:
        raise OSError("no such name")

    network = PublicNetwork(resolve=unknown, network=FakeReceiver())

    with pytest.raises(httpcore.ConnectError):
        network.connect_tcp("nobody.example", 443)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
def test_a_network_that_is_allowed_may_be_reached(address: str) -> None:
    receiver = FakeReceiver()
    allowed = networks_of("10.0.0.0/8, fd00::7")

    PublicNetwork(allowed, resolve=leading_to(address), network=receiver).connect_tcp("a", 80)

    assert receiver.reached == [str(ip_address(address))]


def test_allowing_one_network_allows_no_other() -> None:
    network = PublicNetwork(
        networks_of("10.0.0.0/8"), resolve=leading_to("169.254.169.254"), network=FakeReceiver()
    )

    with pytest.raises(NotifyError):
        network.connect_tcp("metadata.example", 80)


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(SettingsError, match="FLEETPULSE_NOTIFY_PRIVATE"):
        networks_of("10.0.0.0/8,attic")


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "::1"])
def test_an_address_in_whatever_spelling_is_itself_or_nothing(host: str) -> None:
    try:
        addresses = resolved(host, 80)
    except OSError:
        return

    assert not any(map(is_public, addresses))
