"""Who asks, when proxies of ours stand in between and say so in X-Forwarded-For.

The address is for logs: nothing is allowed or refused by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aggregator.server.asgi import App, Receive, Scope, Send, answer_error

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def proxies(app: App, trusted: Sequence[Network]) -> App:
    """Return the application, its scope["client"] the client that trusted proxies name; without any, as it is."""
    if not trusted:
        return app

    async def forwarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] is not None:
            try:
                client = _client(scope["client"][0], _hops(scope["headers"]), trusted)
            except ValueError:
                await answer_error(send, 400, "X-Forwarded-For holds what is no address", [])
                return
            if client is not None:
                # In place: who logs the request is to know it, too. The port of a client behind a proxy is not known.
                scope["client"] = (client, 0)
        await app(scope, receive, send)

    return forwarded


def _client(peer: str, hops: Iterable[str], trusted: Sequence[Network]) -> str | None:
    """Return the last hop that is no proxy of ours; what stands before it may be invented, and is not looked at.

    None if the peer itself is no proxy of ours, or names nobody. Raises ValueError for a hop that is no address.
    """
    if not _is_trusted(_address(peer), trusted):
        return None
    found = None
    for hop in hops:
        found = _address(hop)
        if not _is_trusted(found, trusted):
            break
    return None if found is None else str(found)


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the hops from the last, which the peer wrote, to the first."""
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    yield from (hop.strip() for hop in reversed(",".join(values).split(",")) if hop.strip())


def _address(text: str) -> Address:
    found = ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
