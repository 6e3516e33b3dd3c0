from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.addresses import AddressRule, Lookup, resolve
from scraper.errors import FetchError, TransientFetchError, UnwantedError, UsageError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        # The metadata of clouds, also by way of IPv6.
        "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::ffff:100.64.0.1",
        # More ways to write IPv4 inside of IPv6, and what no network of the world has.
        "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "2001:db8::1",
        "fec0::1", "3fff::1", "239.255.255.250", "240.0.0.1", "192.0.2.1", "192.88.99.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not AddressRule().allows(ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressRule().allows(ip_address(address))


def test_what_the_user_names_is_allowed_and_nothing_else() -> None:
    rule = AddressRule.of(["127.0.0.0/8", "192.168.1.5"])

    assert rule.allows(ip_address("127.3.4.5"))
    assert rule.allows(ip_address("::ffff:127.0.0.1"))
    assert rule.allows(ip_address("192.168.1.5"))
    assert not rule.allows(ip_address("192.168.1.6"))


def test_what_is_no_network_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"--allow-host wants a network.*'cow'"):
        AddressRule.of(["cow"])


@given(number=st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_of_ipv6_is_judged_like_itself(number: int) -> None:
    rule = AddressRule()
    plain = rule.allows(ip_address(number))

    assert rule.allows(IPv6Address((0xFFFF << 32) + number)) is plain
    assert rule.allows(IPv6Address((0x64FF9B << 96) + number)) is plain


def answering(*addresses: str) -> Lookup:
    def lookup(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in addresses]

    return lookup


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_host() -> None:
    lookup = answering("93.184.216.34", "10.0.0.7")

    with pytest.raises(UnwantedError, match=r"h is at the private address 10\.0\.0\.7"):
        resolve("h", 80, AddressRule(), url="http://h/", lookup=lookup)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (socket.EAI_NONAME, FetchError, "no such host: h"),
        (socket.EAI_AGAIN, TransientFetchError, "the name of h cannot be resolved now"),
    ],
)
def test_a_name_without_an_address_is_told(code: int, kind: type[FetchError], message: str) -> None:
    def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(code, "no")

    with pytest.raises(kind, match=message):
        resolve("h", 80, AddressRule(), url="http://h/", lookup=lookup)
