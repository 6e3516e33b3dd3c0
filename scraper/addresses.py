"""Which network addresses may be asked: the public ones, and what the user allows.

A web page can name any address, also `http://169.254.169.254/` or the router's. The check
is made on the resolved address, at the moment of connecting, and the connection goes to
that very address: a name that resolves differently a moment later gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from scraper.errors import FetchError, TransientFetchError, UnwantedError, UsageError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

Lookup = Callable[..., Sequence[tuple[Any, ...]]]
"""Asks a resolver, as `socket.getaddrinfo` does."""

REFUSED = "refused: "
"""Begins the reason of what is skipped for its address, which another run may allow."""

_NEVER_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "100.64.0.0/10",  # Carrier-grade NAT; a cloud's metadata, too.
        "192.0.0.0/24",  # Protocol assignments; a cloud's metadata, too.
        "168.63.129.16/32",  # A cloud's metadata at an address that looks public.
        "192.88.99.0/24",  # Relays from IPv6 to anywhere.
        "198.18.0.0/15",  # Benchmarks.
        "2001::/32",  # IPv4 inside of IPv6: Teredo,
        "2002::/16",  # and 6to4.
        "3fff::/20",  # Documentation.
    )
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Where networks without IPv4 of their own have all of it: the last four bytes decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """Decides about resolved addresses; `allowed` networks are asked though they are private."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> AddressRule:
        """Read networks as the command line writes them, like 127.0.0.0/8.

        Raises:
            UsageError: one of them is not a network.
        """
        try:
            return cls(allowed=tuple(ip_network(text.strip(), strict=False) for text in networks))
        except ValueError as error:
            raise UsageError(
                f"--allow-host wants a network like 127.0.0.0/8 or 192.168.1.5: {error}"
            ) from error

    def allows(self, address: Address) -> bool:
        """Whether this address may be connected to."""
        address = _inner(address)
        if any(address in network for network in self.allowed):
            return True
        is_public = address.is_global and not address.is_multicast
        if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
            is_public = False
        return is_public and not any(address in network for network in _NEVER_PUBLIC)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it stands for one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


Resolved = tuple[socket.AddressFamily, str]


def resolve(
    host: str, port: int, rule: AddressRule, *, url: str, lookup: Lookup = socket.getaddrinfo
) -> Sequence[Resolved]:
    """Where a host may be connected to, in the resolver's order.

    Raises:
        FetchError: there is no such host.
        UnwantedError: the rule refuses one of its addresses.
        TransientFetchError: the name could not be resolved just now.
    """
    try:
        found = lookup(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            reason = f"the name of {host} cannot be resolved now"
            raise TransientFetchError(url, reason, is_host_trouble=True) from error
        raise FetchError(url, f"no such host: {host}") from error
    except (UnicodeError, OSError) as error:
        raise FetchError(url, f"no such host: {host}") from error
    resolved = [(family, str(place[0])) for family, _, _, _, place in found]
    for _, address in resolved:
        if not rule.allows(ip_address(address.partition("%")[0])):
            raise UnwantedError(
                url,
                f"{REFUSED}{host} is at the private address {address}"
                f" (--allow-host {address} allows it)",
            )
    return resolved
