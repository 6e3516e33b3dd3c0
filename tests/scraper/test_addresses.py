from __future__ import annotations

from ipaddress import ip_address

import pytest

from scraper.addresses import AddressRule
from scraper.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not AddressRule().allows(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111"])
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
