"""Who asked, as proxies that are trusted tell it."""

import json
from collections.abc import MutableMapping
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.server.asgi import Receive, Scope, Send, answer_error
from aggregator.server.proxies import proxies

TRUSTED = tuple(ip_network(text) for text in ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))


async def client_of(peer: str, *forwarded: str) -> str | int:
    """Return the client's address that the application behind sees, or the status of the refusal."""
    seen: list[str | int] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"][0])

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])
        else:
            assert json.loads(message["body"]) == {"error": "X-Forwarded-For holds what is no address"}

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    headers = [(b"x-forwarded-for", value.encode("utf-8", "surrogatepass")) for value in forwarded]
    scope = {"type": "http", "client": (peer, 4711), "headers": [(b"host", b"x"), *headers]}
    await proxies(app, TRUSTED)(scope, receive, send)
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
async def test_the_last_hop_that_is_not_ours_is_the_client(peer: str, forwarded: list[str], client: str) -> None:
    """The client is the right-most hop that is no trusted proxy; what a stranger says of itself is ignored."""
    assert await client_of(peer, *forwarded) == client


@pytest.mark.parametrize(
    "forwarded",
    ["garbage", "198.51.100.9:80", "1.2.3", "198.51.100.9, unknown", "0x7f000001", "1.2.3.4.5", "[::1]", "\x00"],
)
async def test_a_trusted_proxy_that_names_no_address_is_refused(forwarded: str) -> None:
    """A last hop that is no address is answered with 400 and not passed on."""
    assert await client_of("10.1.2.3", forwarded) == 400


@given(forwarded=st.lists(st.text(max_size=60), max_size=4))
async def test_no_text_breaks_it(forwarded: list[str]) -> None:
    """Whatever a trusted proxy sends, the request is passed on with an address, or refused."""
    found = await client_of("10.1.2.3", *forwarded)
    assert found == 400 or isinstance(found, str)


async def test_without_proxies_nothing_is_done() -> None:
    """Where no proxy is trusted, the application is not even wrapped."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_error(send, 400, "", [])

    assert proxies(app, ()) is app
