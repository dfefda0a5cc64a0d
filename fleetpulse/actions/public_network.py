"""Connections to public addresses only, for addresses that somebody else may choose.

The name in a webhook's address is resolved here, each address that it leads to is judged, and one
of those that passed is connected to, so that nothing can change in between (DNS rebinding). What an
IPv6 address carries of an IPv4 one is judged as that.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import httpcore

from fleetpulse.actions.waits import SLOWLY_S
from fleetpulse.errors import NotifyError, SettingsError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[Address]]

# https://www.iana.org/assignments/iana-ipv4-special-registry and multicast
_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's own service to its machines
            "169.254.0.0/16",  # link-local, and the metadata of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# Of IPv6 only what is given out at all (https://www.iana.org/assignments/ipv6-unicast-address-space)
# is public, but for these (https://www.iana.org/assignments/iana-ipv6-special-registry).
_GIVEN_OUT_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols, Teredo
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


def carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(address, IPv6Address):
        if address in _MAPPED or address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
        if address in _6TO4:
            return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet."""
    inner = carried(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in _NOT_PUBLIC_V4)
    return inner in _GIVEN_OUT_V6 and not any(inner in network for network in _NOT_PUBLIC_V6)


def networks_of(listed: str) -> Sequence[Network]:
    """The networks of FLEETPULSE_NOTIFY_PRIVATE. Raises SettingsError."""
    try:
        return [ip_network(each.strip()) for each in listed.split(",") if each.strip()]
    except ValueError:
        raise SettingsError(
            "Wrong settings: FLEETPULSE_NOTIFY_PRIVATE must be networks or addresses with commas"
            " between, like 192.168.1.0/24,127.0.0.1."
        ) from None


def resolved(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host, in the order that the system prefers. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(place[0]) for *_, place in found]


class PublicNetwork(httpcore.NetworkBackend):
    """Connects to public addresses, and to those of `allowed` networks.

    resolve: finds a host's addresses; network: makes the connection to one of them.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolve: Resolve = resolved,
        network: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._allowed, self._resolve = allowed, resolve
        self._network = httpcore.SyncBackend() if network is None else network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first that answers. Raises NotifyError, httpcore.ConnectError."""
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._reachable(host, port):
            try:
                return self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as problem:
                failure = problem
        raise failure

    def _reachable(self, host: str, port: int) -> Sequence[Address]:
        try:
            addresses = self._resolve(host, port)
        except OSError as problem:
            raise httpcore.ConnectError("the name is not known") from problem
        reachable = [address for address in addresses if self._may_reach(address)]
        if addresses and not reachable:
            raise NotifyError(
                "its host leads to an address that is not public;"
                " FLEETPULSE_NOTIFY_PRIVATE can allow it",
                retry_after_s=SLOWLY_S,
            )
        return reachable

    def _may_reach(self, address: Address) -> bool:
        return is_public(address) or any(
            form in network for network in self._allowed for form in (address, carried(address))
        )
