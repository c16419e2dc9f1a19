"""Which addresses the scrape server connects to, decided on the address itself when the connection is made."""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import psutil

from aggregator.server.http.forwarded import IpAddress, IpNetwork

# An address and a port.
Endpoint = tuple[IpAddress, int]
# As getaddrinfo returns it.
AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]

LOCALHOST_ADDRESSES = (ip_address("127.0.0.1"), ip_address("::1"))
# Refused besides loopback, link-local, multicast, unspecified and reserved addresses.
_REFUSED_NETWORKS = tuple(
    map(
        ip_network,
        (
            # Metadata of clouds outside the link-local networks: AWS over IPv6, Alibaba, Azure, Oracle.
            *("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
            # "This network", and IPv4 addresses within IPv6: mapped, translated, 6to4, Teredo.
            *("0.0.0.0/8", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"),
        ),
    )
)


class AddressNotAllowedError(OSError):
    """The address of a target is one that the server does not connect to.

    The text is constant: the client joins different texts of several addresses of one name.
    """

    def __init__(self) -> None:
        super().__init__("the address is not allowed")


def list_own_addresses() -> frozenset[IpAddress]:
    """Return the addresses of this machine."""
    texts = (address.address for addresses in psutil.net_if_addrs().values() for address in addresses)
    return frozenset(address for address in map(parse_ip_address, texts) if address is not None)


def parse_ip_address(text: str) -> IpAddress | None:
    """Return the address of a text, without a zone, and an IPv4 address instead of one mapped to IPv6."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_private(address: IpAddress) -> bool:
    """Return whether an address is one of a private network; loopback and link-local addresses are not."""
    return address.is_private and not (address.is_loopback or address.is_link_local or address.is_unspecified)


class AddressGuard:
    """Decides which addresses may be connected.

    A name is resolved before the decision, so a name that later resolves to another address gains nothing.
    """

    def __init__(
        self,
        allowed_networks: Iterable[IpNetwork] = (),
        own_ports: Iterable[int] = (),
        list_addresses: Callable[[], frozenset[IpAddress]] = list_own_addresses,
    ) -> None:
        self._allowed_networks = tuple(allowed_networks)
        self._own_ports = frozenset(own_ports)
        self._list_own_addresses = list_addresses
        self._trusted: frozenset[Endpoint] = frozenset()

    def trust(self, endpoints: Iterable[Endpoint]) -> None:
        """Replace the endpoints that may be connected although they are in a refused network."""
        self._trusted = frozenset(endpoints)

    def is_allowed(self, address: IpAddress, port: int) -> bool:
        """Return whether this address may be connected. The listeners of this server never are."""
        if port in self._own_ports and self._is_own_address(address):
            return False
        if (address, port) in self._trusted or any(address in network for network in self._allowed_networks):
            return True
        return not (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address.is_reserved
            or any(address in network for network in _REFUSED_NETWORKS)
        )

    def _is_own_address(self, address: IpAddress) -> bool:
        return address.is_loopback or address.is_unspecified or address in self._list_own_addresses()

    def create_socket(self, info: AddressInfo) -> socket.socket:
        """Return the socket of a connection, or raise AddressNotAllowedError; the HTTP client calls this."""
        family, kind, protocol, _name, endpoint = info
        address = ip_address(str(endpoint[0]).partition("%")[0])
        if not self.is_allowed(address, endpoint[1]):
            raise AddressNotAllowedError
        return socket.socket(family, kind, protocol)
