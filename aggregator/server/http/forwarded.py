"""Trusted proxies: the address of the client is that in X-Forwarded-For."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# An error in the legacy format.
_INVALID_HOPS_BODY = b'{"error":"X-Forwarded-For must be a list of IP addresses"}\n'
_INVALID_HOPS_HEADERS = {
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
}


def trust_forwarded_for(app: ASGIApp, trusted_networks: Sequence[IpNetwork]) -> ASGIApp:
    """Return the application with the client address from X-Forwarded-For, if a trusted proxy sent the request.

    The gateway uses the address in logs only. For the scrape server, it is the address of an agent that registers.
    """
    if not trusted_networks:
        return app

    async def app_with_client(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["client"] is not None:
            try:
                client = _find_client(scope["client"][0], _parse_hops(scope["headers"]), trusted_networks)
            except ValueError:
                response = Response(_INVALID_HOPS_BODY, 400, _INVALID_HOPS_HEADERS)
                await response(scope, receive, send)
                return
            if client is not None:
                # In place, for the request log. The port of a client behind a proxy is unknown.
                scope["client"] = (client, 0)
        await app(scope, receive, send)

    return app_with_client


def _find_client(peer: str, hops: Iterable[str], trusted_networks: Sequence[IpNetwork]) -> str | None:
    """Return the last hop that is not a trusted proxy: clients can invent what comes before it.

    None if the peer is not a trusted proxy, or sent no hops. Raises ValueError for a hop that is not an IP address.
    """
    if not _is_trusted_proxy(_parse_ip_address(peer), trusted_networks):
        return None
    client = None
    for hop in hops:
        client = _parse_ip_address(hop)
        if not _is_trusted_proxy(client, trusted_networks):
            break
    return None if client is None else str(client)


def _parse_hops(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the hops, beginning with the last, which the peer added."""
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    yield from (hop.strip() for hop in reversed(",".join(values).split(",")) if hop.strip())


def _parse_ip_address(text: str) -> IpAddress:
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted_proxy(address: IpAddress, trusted_networks: Sequence[IpNetwork]) -> bool:
    return any(address in network for network in trusted_networks)
