"""Arbitrary bytes to the HTTP port of gateways with and without KEY: what they return, and that they keep serving."""

from collections.abc import Callable
from functools import cache
from random import Random

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import GuardedGateway
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR, build_random, fuzz_examples
from tests.fuzz.http1 import ParsedResponse, exchange_all, parse_responses
from tests.fuzz.http_cases import CASES, SECOND_REQUEST, build_get, build_post
from tests.integration.gateway_process import GatewayProcess, wait_until
from tests.support.http_client import send_raw, send_request

ROUND_COUNT = 4
# A valid request with headers near the size limit.
LONG_HEADERS_REQUEST = build_get(
    b"/", extra_headers=b"".join(b"X-%04d: %s\r\n" % (number, b"x" * 1_000) for number in range(30))
)
# Text that is in every topology and in nothing else that the gateway returns.
TOPOLOGY_MARKER = b"tampere-master"

CaseRunner = Callable[[int], dict[str, bytes]]
each_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def run_cases() -> CaseRunner:
    """Sends all cases to a port, once, and returns the received bytes of each."""
    return cache(lambda port: exchange_all(port, {name: case.request for name, case in CASES.items()}))


def parse_case_responses(run: CaseRunner, gateway: GatewayProcess, name: str) -> list[ParsedResponse]:
    """Return the responses to a case; fail on invalid or too many responses, and on internal errors."""
    case = CASES[name]
    responses = list(parse_responses(run(gateway.http_port)[name], case.methods))
    assert len(responses) <= case.max_responses
    assert all(response.status < 500 for response in responses)
    if case.is_refused:
        assert {response.status for response in responses} <= {400, 431}
    return responses


@each_case
def test_without_a_key(run_cases: CaseRunner, open_gateway: GatewayProcess, name: str) -> None:
    """Every case without KEY gets valid responses, at most one per request, and only 400 if it is malformed."""
    parse_case_responses(run_cases, open_gateway, name)


@each_case
def test_with_a_key(run_cases: CaseRunner, guarded_gateway: GuardedGateway, name: str) -> None:
    """Every case with KEY gets the same, and no response contains the topology."""
    for response in parse_case_responses(run_cases, guarded_gateway.gateway, name):
        assert TOPOLOGY_MARKER not in response.body


def test_the_marker_is_in_the_topology(open_gateway: GatewayProcess, guarded_gateway: GuardedGateway) -> None:
    """The marker that the other tests look for is in the response to an allowed request."""
    assert TOPOLOGY_MARKER in send_request(open_gateway.http_port).body
    assert (
        TOPOLOGY_MARKER
        in send_request(
            guarded_gateway.gateway.http_port, headers=[("Authorization", guarded_gateway.authorization)]
        ).body
    )


def test_a_token_in_a_trailer_is_ignored(guarded_gateway: GuardedGateway) -> None:
    """A token in a trailer neither authorizes a request nor invalidates the token in its header."""
    line = b"Authorization: %s\r\n" % guarded_gateway.authorization.encode()
    chunked, trailer = b"Transfer-Encoding: chunked\r\nConnection: close\r\n", b"0\r\n" + line + b"\r\n"
    received = exchange_all(
        guarded_gateway.gateway.http_port,
        {"trailer": build_post(chunked, trailer), "both": build_post(line + chunked, trailer + SECOND_REQUEST)},
    )
    assert [response.status for response in parse_responses(received["trailer"])] == [401]
    assert [response.status for response in parse_responses(received["both"])] == [200]


def test_a_token_is_valid_for_its_request_only(guarded_gateway: GuardedGateway) -> None:
    """On one connection, each request needs its own token."""
    authorized_request = (
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % guarded_gateway.authorization.encode()
    )
    received = exchange_all(
        guarded_gateway.gateway.http_port,
        {"": authorized_request + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + authorized_request + SECOND_REQUEST},
    )
    assert [response.status for response in parse_responses(received[""])] == [200, 401, 200, 401]


@fuzz_examples(100)
@given(st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(b"Bearer ".__add__), min_size=1, max_size=3))
def test_arbitrary_authorization_is_rejected(guarded_gateway: GuardedGateway, values: list[bytes]) -> None:
    """Arbitrary bytes in Authorization, once or repeated, are rejected, even together with a valid token."""
    lines = [b"Authorization: " + value.translate(None, b"\r\n") + b"\r\n" for value in values]
    valid_line = b"Authorization: %s\r\n" % guarded_gateway.authorization.encode()
    for headers in (b"".join(lines), b"".join([*lines, valid_line]), b"".join([valid_line, *lines])):
        (response,) = parse_responses(
            send_raw(guarded_gateway.gateway.http_port, build_get(b"/", extra_headers=headers))
        )
        # 400 for bytes that are not allowed in a header.
        assert response.status in (400, 401)
        assert TOPOLOGY_MARKER not in response.body


def test_random_bytes(open_gateway: GatewayProcess) -> None:
    """Requests with bytes changed, removed and inserted at random get valid responses and no internal error."""
    random = build_random("http")
    short_requests = [case.request for case in CASES.values() if len(case.request) < 2_000]
    for _ in range(EXAMPLE_FACTOR):
        requests = {str(number): _mutate(random.choice(short_requests), random) for number in range(200)}
        for name, received in exchange_all(open_gateway.http_port, requests).items():
            # The methods of the requests are unknown; without HEAD, all responses have bodies.
            if b"HEAD" not in requests[name]:
                assert all(response.status < 500 for response in parse_responses(received)), requests[name]


def _mutate(request: bytes, random: Random) -> bytes:
    changed = bytearray(request)
    for _ in range(random.randint(1, 5)):
        offset = random.randrange(len(changed) + 1)
        changed[offset : offset + random.randint(0, 2)] = random.choice(
            [b"", b"\r\n", b"\0", b":", b" ", random.randbytes(2)]
        )
    return bytes(changed)


def test_nothing_remains(open_gateway: GatewayProcess) -> None:
    """After all cases their connections are closed, and memory has grown by less than a fifth of the bytes sent."""
    process = psutil.Process(open_gateway.process.pid)
    requests = {f"{name} {turn}": case.request for name, case in CASES.items() for turn in range(2)}
    requests |= {f"long {number}": LONG_HEADERS_REQUEST for number in range(100)}
    exchange_all(open_gateway.http_port, requests)
    memory, written = process.memory_info().rss, 0
    for _ in range(ROUND_COUNT * EXAMPLE_FACTOR):
        exchange_all(open_gateway.http_port, requests)
        written += sum(map(len, requests.values()))
    wait_until(lambda: not list_client_connections(process, open_gateway.http_port), "connections are closed")
    assert process.memory_info().rss - memory < written / 5
    assert send_request(open_gateway.http_port, "/readyz").status == 200
    assert open_gateway.process.poll() is None


def list_client_connections(process: psutil.Process, port: int) -> list[object]:
    """Return the client connections of a process on a port."""
    connections = process.net_connections("tcp")
    return [
        connection
        for connection in connections
        if connection.status != psutil.CONN_LISTEN and connection.laddr.port == port
    ]
