"""The client address from X-Forwarded-For of trusted proxies."""

import json
from collections.abc import MutableMapping
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from aggregator.server.http.forwarded import trust_forwarded_for

TRUSTED_NETWORKS = tuple(ip_network(text) for text in ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))


async def get_client_address(peer: str, *forwarded: str) -> str | int:
    """Return the client address that the application sees, or the status of the error."""
    seen: list[str | int] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"][0])

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])
        else:
            assert json.loads(message["body"]) == {"error": "X-Forwarded-For must be a list of IP addresses"}

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    headers = [(b"x-forwarded-for", value.encode("utf-8", "surrogatepass")) for value in forwarded]
    scope = {"type": "http", "client": (peer, 4711), "headers": [(b"host", b"x"), *headers]}
    await trust_forwarded_for(app, TRUSTED_NETWORKS)(scope, receive, send)
    (found,) = seen
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.1.2.3", ["198.51.100.9"], "198.51.100.9"),
        ("10.1.2.3", ["198.51.100.9, 10.9.9.9"], "198.51.100.9"),
        ("10.1.2.3", ["1.1.1.1, 198.51.100.9,10.9.9.9, 192.0.2.7"], "198.51.100.9"),
        ("10.1.2.3", ["1.1.1.1", "198.51.100.9", "10.9.9.9"], "198.51.100.9"),
        ("10.1.2.3", ["garbage, 198.51.100.9"], "198.51.100.9"),
        ("10.1.2.3", ["10.7.7.7, 10.8.8.8"], "10.7.7.7"),
        ("::ffff:10.1.2.3", ["2001:DB9::0:1"], "2001:db9::1"),
        ("2001:db8::9", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("198.51.100.1", ["1.1.1.1"], "198.51.100.1"),
        ("198.51.100.1", ["garbage"], "198.51.100.1"),
        ("127.0.0.1", ["1.1.1.1"], "127.0.0.1"),
    ],
)
async def test_the_last_untrusted_hop_is_the_client(peer: str, forwarded: list[str], client: str) -> None:
    """The client is the right-most hop that is not a trusted proxy; untrusted peers are ignored."""
    assert await get_client_address(peer, *forwarded) == client


@pytest.mark.parametrize(
    "forwarded",
    ["garbage", "198.51.100.9:80", "1.2.3", "198.51.100.9, unknown", "0x7f000001", "1.2.3.4.5", "[::1]", "\x00"],
)
async def test_an_invalid_hop_is_refused(forwarded: str) -> None:
    """A last hop that is not an IP address gets 400."""
    assert await get_client_address("10.1.2.3", forwarded) == 400


@given(forwarded=st.lists(st.text(max_size=60), max_size=4))
async def test_any_header_gets_an_address_or_400(forwarded: list[str]) -> None:
    """Any text from a trusted proxy results in an address or in 400."""
    found = await get_client_address("10.1.2.3", *forwarded)
    assert found == 400 or isinstance(found, str)


async def test_without_trusted_proxies_the_application_is_unchanged() -> None:
    """Without trusted proxies the application is not wrapped."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("no request is sent")

    assert trust_forwarded_for(app, ()) is app
