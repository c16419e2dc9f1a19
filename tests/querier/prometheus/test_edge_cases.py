"""Rare cases of requests to an upstream."""

import socket
from collections.abc import Callable

import pytest
import requests
import urllib3

from aggregator.errors import UnreachableError
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.errors import map_transport_error
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server


def test_password_outside_latin1() -> None:
    """A password with any character is sent as UTF-8."""
    with run_scripted_server(build_sending_script(build_http_response(b"{}"))) as upstream:
        client = PrometheusClient(UpstreamAddress(upstream.url, "user", "€"), QueryLimits(5, 1000, 1))
        try:
            client.query("up", 1.0)
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
    """A host without an address or a route is unreachable, and not a timeout."""
    pool = urllib3.HTTPConnectionPool("host")
    new = made(pool.ConnectionCls("host"), cause)
    new.__cause__ = cause
    error = requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", new))
    assert type(map_transport_error(error, PATTERN_REDACTOR)) is UnreachableError
