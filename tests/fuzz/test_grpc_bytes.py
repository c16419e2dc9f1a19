"""Bytes that no honest client writes, to both gateways over gRPC: what comes back, and what is left of it."""

import re
import socket
from collections.abc import Callable, Iterator
from functools import partial

import grpc
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import Guarded
from tests.fuzz.effort import TIMES, dice, tries
from tests.fuzz.grpc_cases import CASES, HELLO, POISON, call, fields
from tests.fuzz.http2 import DATA, END_STREAM, frame, frames, message
from tests.fuzz.http2 import opened as opened_stream
from tests.fuzz.test_http_bytes import connected
from tests.fuzz.wire import exchanges
from tests.integration.process import Gateway, until
from tests.server.call import CHECK, Metadata, channel, over
from tests.server.call import call as ask
from tests.server.exchange import HOST

ROUNDS = 2
# gRPC's allocator keeps what it needed at the height of a round, and does so from the fifth round on no more.
KEPT_BYTES = 80 * 2**20
SERVING = b"\x08\x01"
# What stands in every answer about the fleet and in nothing else that is served.
TELLTALE = b"tampere-master"
# How the text of an error that nobody foresaw would begin or end.
SPILT = re.compile(rb"Traceback|File \"|aggregator\.")

Asked = Callable[[Gateway], dict[str, bytes]]
each_case = pytest.mark.parametrize("name", CASES)


def is_well(port: int) -> bool:
    """Return whether a server says so by gRPC's own health service."""
    return ask(port, CHECK).body == SERVING


def get_well(port: int) -> None:
    """Wait until a server says that it is well."""
    until(lambda: is_well(port), "gRPC is well")


@pytest.fixture(scope="module")
def asked() -> Asked:
    """What comes back for all cases from a gateway, asked once."""
    known: dict[int, dict[str, bytes]] = {}

    def look(gateway: Gateway) -> dict[str, bytes]:
        if gateway.grpc not in known:
            known[gateway.grpc] = exchanges(gateway.grpc, CASES, get_well)
        return known[gateway.grpc]

    return look


@each_case
def test_without_a_key(asked: Asked, opened: Gateway, name: str) -> None:
    """Whatever is written, what comes back are frames, and they tell nothing of the program."""
    received = asked(opened)[name]
    assert list(frames(received)) or not received
    assert not SPILT.search(received)


@each_case
def test_with_a_key(asked: Asked, guarded: Guarded, name: str) -> None:
    """The same, and nothing of the topology is in it."""
    received = asked(guarded.gateway)[name]
    assert list(frames(received)) or not received
    assert not SPILT.search(received)
    assert TELLTALE not in received


def test_no_case_ends_the_server(asked: Asked, opened: Gateway, guarded: Guarded) -> None:
    """None of the cases makes grpcio's server break: it would have been replaced."""
    for gateway in (opened, guarded.gateway):
        asked(gateway)
        assert has_been_replaced(gateway, 0)


def test_the_telltale_tells(opened: Gateway, guarded: Guarded) -> None:
    """What the other tests look for is there where it may be, also to a call that is put together byte by byte."""
    assert TELLTALE in exchanges(opened.grpc, {"": call()}, get_well)[""]
    bearing = [(b"authorization", guarded.bearer.encode())]
    assert TELLTALE in exchanges(guarded.gateway.grpc, {"": call(bearing)}, get_well)[""]


def test_a_server_that_breaks_is_replaced(asked: Asked, opened: Gateway) -> None:
    """A path that is not UTF-8, which grpcio's server does not survive, costs a moment, as often as it comes."""
    asked(opened)
    for times in (1, 2, 3):
        exchanges(opened.grpc, {"": POISON}, lambda _port: None)
        until(partial(has_been_replaced, opened, times), "another server")
        get_well(opened.grpc)
        assert ask(opened.grpc).code is grpc.StatusCode.OK


def has_been_replaced(gateway: Gateway, times: int) -> bool:
    """Return whether a gateway's log tells so often that its gRPC server was replaced."""
    return len(gateway.events("grpc server broke, starting another")) == times


def test_random_bytes(opened: Gateway) -> None:
    """Connections with bytes changed, left out and put in at random leave the server well."""
    random = dice("grpc")
    wholes = [case for case in CASES.values() if len(case) < 2_000]
    for _ in range(TIMES):
        requests = {}
        for number in range(200):
            changed = bytearray(random.choice(wholes))
            for _ in range(random.randint(1, 4)):
                at = random.randrange(len(changed) + 1)
                changed[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 3))
            requests[str(number)] = bytes(changed)
        for received in exchanges(opened.grpc, requests, get_well).values():
            assert not SPILT.search(received)
    assert ask(opened.grpc).code is grpc.StatusCode.OK


HALF_OPEN = HELLO + b"".join(opened_stream(fields(__path=CHECK.encode()), number) for number in range(1, 2_001, 2))


def test_headers_alone_take_no_place(guarded: Guarded) -> None:
    """Calls without requests behind them, as many as a connection may have, do not keep others out for long."""
    port = guarded.gateway.grpc
    bearing = [("authorization", guarded.bearer)]
    with socket.create_connection((HOST, port)) as first, socket.create_connection((HOST, port)) as second:
        # To a method that wants a token they end at once, to health when their time is over.
        first.sendall(HELLO + b"".join(opened_stream(fields(), number) for number in range(1, 2_001, 2)))
        second.sendall(HALF_OPEN)
        until(lambda: ask(port, metadata=bearing).code is grpc.StatusCode.OK, "a place for others")
        get_well(port)


def test_lasting_calls_leave_places(opened: Gateway) -> None:
    """However many watch the health, others are answered."""
    watch = fields(__path=b"/grpc.health.v1.Health/Watch")
    request = message(b"")
    with socket.create_connection((HOST, opened.grpc)) as connection:
        connection.sendall(
            HELLO
            + b"".join(
                opened_stream(watch, number) + frame(DATA, END_STREAM, number, request) for number in range(1, 2_001, 2)
            )
        )
        for _ in range(3):
            get_well(opened.grpc)
        assert ask(opened.grpc).code is grpc.StatusCode.OK


keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=20).filter(
    lambda key: not key.startswith("grpc-") and not key.endswith("-bin") and key not in ("te", "user-agent")
)
words = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
plain = st.tuples(keys | st.just("authorization"), words)
binary = st.tuples(keys.map(lambda key: f"{key}-bin"), st.binary(max_size=60))
bearers = words.map(lambda word: ("authorization", f"Bearer {word}"))
metadata = st.lists(plain | binary | bearers, max_size=6)


@tries(60)
@given(metadata)
def test_any_metadata_is_no_token(
    channels: tuple[grpc.Channel, grpc.Channel], guarded: Guarded, entries: Metadata
) -> None:
    """Whatever metadata a call bears, without KEY it is answered, and with KEY it is refused unless it is a token."""
    unguarded, with_key = channels
    assert over(unguarded, metadata=entries).code is grpc.StatusCode.OK
    reply = over(with_key, metadata=entries)
    assert (reply.code, reply.details) == (grpc.StatusCode.UNAUTHENTICATED, "not authorized")
    doubled = over(with_key, metadata=[*entries, ("authorization", guarded.bearer)])
    is_alone = all(key != "authorization" for key, _ in entries)
    assert doubled.code is (grpc.StatusCode.OK if is_alone else grpc.StatusCode.UNAUTHENTICATED)


@pytest.fixture(scope="module")
def channels(opened: Gateway, guarded: Guarded) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    """A channel to the gateway without KEY, and one to that with it."""
    with channel(opened.grpc) as unguarded, channel(guarded.gateway.grpc) as with_key:
        yield unguarded, with_key


def test_nothing_is_left_of_it(opened: Gateway) -> None:
    """After all of it its connections are closed, and memory has grown by no more than a stated bound."""
    process = psutil.Process(opened.process.pid)
    before = len(connected(process, opened.grpc))
    exchanges(opened.grpc, CASES, get_well)
    memory, written = process.memory_info().rss, 0
    for _ in range(ROUNDS * TIMES):
        exchanges(opened.grpc, CASES, get_well)
        written += sum(map(len, CASES.values()))
    until(lambda: len(connected(process, opened.grpc)) <= before, "connections are closed")
    assert process.memory_info().rss - memory < KEPT_BYTES + written / 10
    assert opened.process.poll() is None
