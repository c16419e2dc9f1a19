"""The addresses that the scrape server connects to."""

import socket
from ipaddress import ip_address, ip_network

import pytest

from aggregator.scrape.guard import (
    AddressGuard,
    AddressNotAllowedError,
    is_private,
    list_own_addresses,
    parse_ip_address,
)

OWN_ADDRESS = ip_address("10.0.0.1")


def build_guard(*networks: str) -> AddressGuard:
    """Return a guard that allows these networks; the server listens on port 5000."""
    return AddressGuard(map(ip_network, networks), [5000], lambda: frozenset({OWN_ADDRESS}))


@pytest.mark.parametrize("text", ["10.0.0.2", "192.168.1.1", "8.8.8.8", "100.64.0.1", "fd00::1", "2606:4700::1"])
def test_usual_addresses_are_allowed(text: str) -> None:
    """Private and public unicast addresses may be targets."""
    assert build_guard().is_allowed(ip_address(text), 80)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "0.1.2.3", "169.254.169.254", "fe80::1"),  # noqa: S104 - refused
        *("224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "fd00:ec2::254", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192", "::ffff:127.0.0.1", "::ffff:10.0.0.2", "64:ff9b::7f00:1"),
        *("2002:7f00:1::1", "2001:0:1::1", "::127.0.0.1"),
    ],
)
def test_special_addresses_are_refused(text: str) -> None:
    """Loopback, link-local, metadata, unspecified, multicast and embedded IPv4 addresses are refused."""
    assert not build_guard().is_allowed(ip_address(text), 80)


def test_networks_of_the_setting_are_allowed() -> None:
    """SCRAPE_ALLOW allows what is refused otherwise, and nothing beside it."""
    guard = build_guard("127.0.0.0/8", "169.254.7.0/24")
    assert guard.is_allowed(ip_address("127.0.0.1"), 80)
    assert guard.is_allowed(ip_address("169.254.7.1"), 80)
    assert not guard.is_allowed(ip_address("169.254.169.254"), 80)


def test_trust_is_for_an_address_and_a_port() -> None:
    """An endpoint of the list is allowed with its port only, and as long as it is in the list."""
    guard = build_guard()
    guard.trust([(ip_address("127.0.0.1"), 5050)])
    assert guard.is_allowed(ip_address("127.0.0.1"), 5050)
    assert not guard.is_allowed(ip_address("127.0.0.1"), 5051)
    guard.trust([])
    assert not guard.is_allowed(ip_address("127.0.0.1"), 5050)


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "10.0.0.1"])  # noqa: S104 - refused
def test_the_server_never_scrapes_itself(text: str) -> None:
    """The listeners of the server are refused, whatever allows them."""
    guard = build_guard("0.0.0.0/0")
    guard.trust([(ip_address(text), 5000)])
    assert not guard.is_allowed(ip_address(text), 5000)
    assert guard.is_allowed(ip_address(text), 5001)
    assert guard.is_allowed(ip_address("10.0.0.2"), 5000)


def test_no_socket_is_created_for_a_refused_address() -> None:
    """The decision is made on the address that would be connected, before there is a socket."""
    guard = build_guard()
    with pytest.raises(AddressNotAllowedError):
        guard.create_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)))
    with pytest.raises(AddressNotAllowedError):
        guard.create_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%lo", 80, 0, 1)))
    guard.create_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 80))).close()


def test_addresses_of_clients() -> None:
    """A mapped IPv4 address is the IPv4 address, a zone is ignored, and a path of a socket is no address."""
    assert parse_ip_address("::ffff:10.0.0.2") == ip_address("10.0.0.2")
    assert parse_ip_address("fe80::1%eth0") == ip_address("fe80::1")
    assert parse_ip_address("") is None
    assert is_private(ip_address("10.0.0.2"))
    assert not any(map(is_private, map(ip_address, ("127.0.0.1", "169.254.1.1", "8.8.8.8", "0.0.0.0", "100.64.0.1"))))  # noqa: S104 - refused
    assert ip_address("127.0.0.1") in list_own_addresses()
