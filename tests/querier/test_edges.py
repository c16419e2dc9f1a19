"""What is rare between us and the upstream."""

import socket
import threading
from collections.abc import Callable

import pytest
import requests
import urllib3

from aggregator.errors import QueryError, UnreachableError
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import decoder
from aggregator.querier.gather import Gatherer, Query
from aggregator.querier.translation import translated
from aggregator.secrets import NONE_KNOWN
from tests.querier.peer import peer, response, sending


def test_password_outside_latin1() -> None:
    """A password with any character is sent as UTF-8."""
    with peer(sending(response(b"{}"))) as upstream:
        client = Client(Address(upstream.url, "user", "€"), Limits(5, 1000, 1))
        try:
            client.ask("up", 1.0)
        finally:
            client.close()
    assert upstream.requests[0].headers["authorization"] == "Basic dXNlcjrigqw="


@pytest.mark.parametrize(
    ("cause", "made"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            lambda connection, cause: urllib3.exceptions.NameResolutionError("host", connection, cause),
        ),
        (
            OSError(101, "Network is unreachable"),
            lambda connection, _cause: urllib3.exceptions.NewConnectionError(connection, "x"),
        ),
    ],
)
def test_no_connection_is_not_slow(cause: OSError, made: Callable[..., Exception]) -> None:
    """A host without address or route is unreachable, not slow."""
    pool = urllib3.HTTPConnectionPool("host")
    new = made(pool.ConnectionCls("host"), cause)
    new.__cause__ = cause
    error = requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", new))
    assert type(translated(error, NONE_KNOWN)) is UnreachableError


def test_redirect_body_is_capped() -> None:
    """What stands in a redirect counts against the cap, too."""
    with peer(sending(response(b" " * 500_000, "302 Found", "Location: /x"))) as upstream:
        client = Client(Address(upstream.url), Limits(5, 1000, 1))
        with pytest.raises(QueryError, match="larger than"):
            client.ask("up", 1.0)
        client.close()


def test_second_look_up() -> None:
    """Looking an outcome up again gives the same outcome."""

    class Stuck:
        gone = threading.Event()

        def ask(self, _promql: str, _at_seconds: float) -> bytes:
            self.gone.wait(5)
            raise UnreachableError("x")

        def abort(self) -> None:
            self.gone.set()

    gatherer = Gatherer(Stuck(), 1, 0.1)
    outcomes = gatherer.gather([Query(name, name, decoder(("a",))) for name in ("a", "b")], 1.0)
    first = outcomes["b"].result
    assert str(outcomes["b"].result) == str(first)
    gatherer.close()
