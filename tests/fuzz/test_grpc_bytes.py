"""Arbitrary bytes to the gRPC port of gateways with and without KEY: what they return, and that they keep serving."""

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial

import grpc
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import GuardedGateway
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR, build_random, fuzz_examples
from tests.fuzz.grpc_cases import CASES, CONNECTION_START, SERVER_CRASH_CASE, build_call, build_call_headers
from tests.fuzz.http1 import exchange_all
from tests.fuzz.test_http_bytes import list_client_connections
from tests.integration.gateway_process import GatewayProcess, wait_until
from tests.support.grpc_client import HEALTH_CHECK_METHOD, Metadata, call_method, call_on_channel, open_channel
from tests.support.http2 import (
    DATA,
    END_STREAM,
    decode_frames,
    encode_call,
    encode_frame,
    encode_message,
    encode_stream_start,
    open_http2_connection,
)
from tests.support.http_client import HOST

ROUND_COUNT = 2
UNDECODABLE_PATH = b"/\xff"
# The allocator of gRPC keeps what a round needed at its peak; from the fifth round on it keeps no more.
MAX_RETAINED_BYTES = 80 * 2**20
SERVING_RESPONSE = b"\x08\x01"
# Text that is in every topology and in nothing else that the gateway returns.
TOPOLOGY_MARKER = b"tampere-master"
# Text that an unexpected error would contain.
INTERNAL_DETAIL = re.compile(rb"Traceback|File \"|aggregator\.")

CaseRunner = Callable[[GatewayProcess], dict[str, bytes]]
each_case = pytest.mark.parametrize("name", CASES)


def is_serving(port: int) -> bool:
    """Return whether the health service reports SERVING."""
    return call_method(port, HEALTH_CHECK_METHOD).body == SERVING_RESPONSE


def wait_until_serving(port: int) -> None:
    """Wait until the health service reports SERVING."""
    wait_until(lambda: is_serving(port), "gRPC is serving")


@pytest.fixture(scope="module")
def run_cases() -> CaseRunner:
    """Runs all cases against a gateway, once, and returns the received bytes of each."""
    received_by_port: dict[int, dict[str, bytes]] = {}

    def run_once(gateway: GatewayProcess) -> dict[str, bytes]:
        if gateway.grpc_port not in received_by_port:
            received_by_port[gateway.grpc_port] = exchange_all(gateway.grpc_port, CASES, wait_until_serving)
        return received_by_port[gateway.grpc_port]

    return run_once


@each_case
def test_without_a_key(run_cases: CaseRunner, open_gateway: GatewayProcess, name: str) -> None:
    """Every case without KEY returns valid frames or nothing, and no details of the program."""
    received = run_cases(open_gateway)[name]
    assert list(decode_frames(received)) or not received
    assert not INTERNAL_DETAIL.search(received)


@each_case
def test_with_a_key(run_cases: CaseRunner, guarded_gateway: GuardedGateway, name: str) -> None:
    """Every case with KEY does the same, and returns no topology."""
    received = run_cases(guarded_gateway.gateway)[name]
    assert list(decode_frames(received)) or not received
    assert not INTERNAL_DETAIL.search(received)
    assert TOPOLOGY_MARKER not in received


def test_no_case_ends_the_server(
    run_cases: CaseRunner, open_gateway: GatewayProcess, guarded_gateway: GuardedGateway
) -> None:
    """No case ends the accept loop of grpcio: the server would have been replaced."""
    for gateway in (open_gateway, guarded_gateway.gateway):
        run_cases(gateway)
        assert was_server_replaced(gateway, 0)


def test_the_marker_is_in_the_topology(open_gateway: GatewayProcess, guarded_gateway: GuardedGateway) -> None:
    """The marker that the other tests look for is in the response to a valid call, also to a hand-written one."""
    assert TOPOLOGY_MARKER in exchange_all(open_gateway.grpc_port, {"": build_call()}, wait_until_serving)[""]
    metadata = [(b"authorization", guarded_gateway.authorization.encode())]
    assert (
        TOPOLOGY_MARKER
        in exchange_all(guarded_gateway.gateway.grpc_port, {"": build_call(metadata)}, wait_until_serving)[""]
    )


def test_a_failed_server_is_replaced(run_cases: CaseRunner, open_gateway: GatewayProcess) -> None:
    """A path that is not UTF-8 ends the server of grpcio; each time a new one serves soon after."""
    run_cases(open_gateway)
    for times in (1, 2, 3):
        exchange_all(open_gateway.grpc_port, {"": SERVER_CRASH_CASE}, lambda _port: None)
        wait_until(partial(was_server_replaced, open_gateway, times), "the server is replaced")
        wait_until_serving(open_gateway.grpc_port)
        assert call_method(open_gateway.grpc_port).code is grpc.StatusCode.OK


def test_many_calls_that_end_the_server(open_gateway: GatewayProcess) -> None:
    """The gateway serves after calls that end the server of grpcio, however many arrive while it is replaced."""
    for _ in range(100 * EXAMPLE_FACTOR):
        # A connection is refused between two servers.
        with contextlib.suppress(OSError), open_http2_connection(open_gateway.grpc_port) as connection:
            connection.send(encode_call(1, UNDECODABLE_PATH, {}) + encode_call(3, UNDECODABLE_PATH, {}))
    wait_until_serving(open_gateway.grpc_port)


def was_server_replaced(gateway: GatewayProcess, times: int) -> bool:
    """Return whether the log of a gateway reports this number of replaced gRPC servers."""
    return len(gateway.find_events("grpc server failed, starting another")) == times


def test_random_bytes(open_gateway: GatewayProcess) -> None:
    """Connections with bytes changed, removed and inserted at random do not affect the server."""
    random = build_random("grpc")
    short_cases = [case for case in CASES.values() if len(case) < 2_000]
    for _ in range(EXAMPLE_FACTOR):
        requests = {}
        for number in range(200):
            changed = bytearray(random.choice(short_cases))
            for _ in range(random.randint(1, 4)):
                offset = random.randrange(len(changed) + 1)
                changed[offset : offset + random.randint(0, 2)] = random.randbytes(random.randint(0, 3))
            requests[str(number)] = bytes(changed)
        for received in exchange_all(open_gateway.grpc_port, requests, wait_until_serving).values():
            assert not INTERNAL_DETAIL.search(received)
    assert call_method(open_gateway.grpc_port).code is grpc.StatusCode.OK


HALF_OPEN_STREAMS = CONNECTION_START + b"".join(
    encode_stream_start(build_call_headers(__path=HEALTH_CHECK_METHOD.encode()), number)
    for number in range(1, 2_001, 2)
)


def test_calls_without_requests_time_out(guarded_gateway: GuardedGateway) -> None:
    """Calls without request messages, as many as two connections may have, block other clients only briefly."""
    port = guarded_gateway.gateway.grpc_port
    metadata = [("authorization", guarded_gateway.authorization)]
    with socket.create_connection((HOST, port)) as first, socket.create_connection((HOST, port)) as second:
        # The calls to a method that needs a token end at once, health checks after the request timeout.
        first.sendall(
            CONNECTION_START
            + b"".join(encode_stream_start(build_call_headers(), number) for number in range(1, 2_001, 2))
        )
        second.sendall(HALF_OPEN_STREAMS)
        wait_until(lambda: call_method(port, metadata=metadata).code is grpc.StatusCode.OK, "other calls are accepted")
        wait_until_serving(port)


def test_health_watches_leave_capacity(open_gateway: GatewayProcess) -> None:
    """Any number of health watches leaves capacity for other calls."""
    watch = build_call_headers(__path=b"/grpc.health.v1.Health/Watch")
    request = encode_message(b"")
    with socket.create_connection((HOST, open_gateway.grpc_port)) as connection:
        connection.sendall(
            CONNECTION_START
            + b"".join(
                encode_stream_start(watch, number) + encode_frame(DATA, END_STREAM, number, request)
                for number in range(1, 2_001, 2)
            )
        )
        for _ in range(3):
            wait_until_serving(open_gateway.grpc_port)
        assert call_method(open_gateway.grpc_port).code is grpc.StatusCode.OK


metadata_keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=20).filter(
    lambda key: not key.startswith("grpc-") and not key.endswith("-bin") and key not in ("te", "user-agent")
)
printable_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
text_entries = st.tuples(metadata_keys | st.just("authorization"), printable_texts)
binary_entries = st.tuples(metadata_keys.map(lambda key: f"{key}-bin"), st.binary(max_size=60))
bearer_entries = printable_texts.map(lambda word: ("authorization", f"Bearer {word}"))
call_metadata = st.lists(text_entries | binary_entries | bearer_entries, max_size=6)


@fuzz_examples(60)
@given(call_metadata)
def test_arbitrary_metadata_is_no_token(
    channels: tuple[grpc.Channel, grpc.Channel], guarded_gateway: GuardedGateway, entries: Metadata
) -> None:
    """Arbitrary metadata is ignored without KEY and rejected with KEY, unless it is a token."""
    unguarded, with_key = channels
    assert call_on_channel(unguarded, metadata=entries).code is grpc.StatusCode.OK
    reply = call_on_channel(with_key, metadata=entries)
    assert (reply.code, reply.details) == (grpc.StatusCode.UNAUTHENTICATED, "not authorized")
    doubled = call_on_channel(with_key, metadata=[*entries, ("authorization", guarded_gateway.authorization)])
    is_alone = all(key != "authorization" for key, _ in entries)
    assert doubled.code is (grpc.StatusCode.OK if is_alone else grpc.StatusCode.UNAUTHENTICATED)


@pytest.fixture(scope="module")
def channels(
    open_gateway: GatewayProcess, guarded_gateway: GuardedGateway
) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    """A channel to the gateway without KEY, and one to the gateway with KEY."""
    with open_channel(open_gateway.grpc_port) as unguarded, open_channel(guarded_gateway.gateway.grpc_port) as with_key:
        yield unguarded, with_key


def test_nothing_remains(open_gateway: GatewayProcess) -> None:
    """After all cases their connections are closed, and memory use has grown by no more than a limit."""
    process = psutil.Process(open_gateway.process.pid)
    before = len(list_client_connections(process, open_gateway.grpc_port))
    exchange_all(open_gateway.grpc_port, CASES, wait_until_serving)
    memory, written = process.memory_info().rss, 0
    for _ in range(ROUND_COUNT * EXAMPLE_FACTOR):
        exchange_all(open_gateway.grpc_port, CASES, wait_until_serving)
        written += sum(map(len, CASES.values()))
    wait_until(
        lambda: len(list_client_connections(process, open_gateway.grpc_port)) <= before, "connections are closed"
    )
    assert process.memory_info().rss - memory < MAX_RETAINED_BYTES + written / 10
    assert open_gateway.process.poll() is None
